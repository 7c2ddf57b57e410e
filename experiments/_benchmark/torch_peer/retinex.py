"""The smoothness loss shared by SCI and RUAS, in PyTorch: weighted differences in 24 directions."""

from collections.abc import Iterator

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

_HALF = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (2, -1), (1, 2), (1, -2), (2, 2), (2, -2))
DIRECTIONS = tuple((sign * rows, sign * columns) for sign in (1, -1) for rows, columns in _HALF)
_TO_YCBCR = ((0.257, -0.148, 0.439), (0.564, -0.291, -0.368), (0.098, 0.439, -0.071))
_OFFSET = (16 / 255, 128 / 255, 128 / 255)


def smoothed(images: Tensor, illumination: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields, per direction, weights b 1 h w and absolute differences b 3 h w of all pairs of neighbours."""
    triples = images.contiguous().view(-1, 3) @ torch.tensor(_TO_YCBCR, device=images.device)
    ycbcr = (triples + torch.tensor(_OFFSET, device=images.device)).view(images.shape)
    for rows, columns in DIRECTIONS:
        one, other = shifted(ycbcr, rows, columns)
        weight = torch.exp(-0.005 * ((one - other) ** 2).sum(1, keepdim=True))
        one, other = shifted(illumination, rows, columns)
        yield weight, (one - other).abs()


def shifted(x: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Returns the two members of all pairs of pixels that are (`rows`, `columns`) apart."""
    _, _, h, w = x.shape
    (top, low), (left, right) = ((max(n, 0), max(-n, 0)) for n in (rows, columns))
    return x[:, :, top : h - low, left : w - right], x[:, :, low : h - top, right : w - left]

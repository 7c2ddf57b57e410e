"""What NIMA's networks see of a picture: a square of a fixed size, in [-1, 1]."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from PIL import Image

from drujax.images import to_float

INCEPTION_SIDE, MOBILENET_SIDE = 299, 224


def centre_square(picture: Shaped[np.ndarray, "h w 3"], *, antialias: bool = True) -> Float[np.ndarray, "299 299 3"]:
    """The centre of a picture whose shorter side is resized to 299 pixels, as IQA-PyTorch's `nima` has it.

    Bilinear, as torchvision's resizing of tensors; `antialias` is its default since 0.17, before it was False. Only
    the part that is kept is computed.
    """
    h, w = picture.shape[:2]
    samples = to_float(picture) if picture.dtype.kind == "u" else picture.astype(np.float32)
    rows, columns = (_kept_part(side, min(h, w), antialias=antialias) for side in (h, w))
    resized = np.einsum("jx,iyx->iyj", columns, np.einsum("iy,yxc->icx", rows, samples, optimize=True), optimize=True)
    return 2 * resized.transpose(0, 2, 1) - 1


def squeezed(picture: Shaped[np.ndarray, "h w 3"]) -> Float[np.ndarray, "224 224 3"]:
    """The whole picture at 224 x 224, each pixel the nearest of the picture, as idealo's code has it (Keras)."""
    rows, columns = (_nearest(side) for side in picture.shape[:2])
    samples = picture[rows[:, None], columns]
    return 2 * (to_float(samples) if samples.dtype.kind == "u" else samples.astype(np.float32)) - 1


def _kept_part(side: int, shorter: int, *, antialias: bool) -> Float[np.ndarray, "299 n"]:
    """The weights of an axis: of the 299 pixels in the centre of its resized length."""
    length = int(INCEPTION_SIDE * side / shorter)
    first = round((length - INCEPTION_SIDE) / 2)  # ties to even, as in torchvision
    scale = side / length
    centre = (first + np.arange(INCEPTION_SIDE) + 0.5) * scale
    distance = np.arange(side) + 0.5 - centre[:, None]
    weight = np.maximum(1 - np.abs(distance) / (max(scale, 1.0) if antialias else 1.0), 0)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _nearest(side: int) -> Int[np.ndarray, "224"]:
    """Which pixels of an axis Pillow takes: its rounding decides wherever a centre falls between two."""
    positions = Image.fromarray(np.arange(side, dtype=np.int32)[None])
    return np.asarray(positions.resize((MOBILENET_SIDE, 1), Image.Resampling.NEAREST))[0]

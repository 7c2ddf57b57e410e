"""Perceptual index (PI) of the PIRM 2018 challenge, ((10 - Ma) + NIQE) / 2.

Blau, Mechrez, Timofte, Michaeli and Zelnik-Manor, "The 2018 PIRM Challenge on Perceptual Image Super-Resolution", ECCV
Workshops 2018.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.metrics.kernels.ma_features import Reference
from drujax.metrics.ma import FORESTS, ma
from drujax.metrics.niqe import niqe
from drujax.metrics.registry import Metric

METRIC = Metric(
    "pi",
    lower_is_better=True,
    smallest=104,
    range="about 2..10",
    references={"pyiqa": (FORESTS,), "matlab": (FORESTS,)},
)


def pi(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Reference = "pyiqa", weights: str | Path | None = None
) -> Float[np.ndarray, " b"]:
    """Computes PI of each image: about 2 (best) to 10; lower is better.

    Both parts use the luma of MATLAB's rgb2ycbcr, cropped by 4 pixels on each side. They are available separately as
    `ma(images)` and `niqe(images, protocol="pi")`; the latter needs no download.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 104 pixels.
        reference: implementation to reproduce: IQA-PyTorch's `pi`, or the authors' MATLAB releases.
        weights: of `ma`.

    Returns:
        float64; NaN where NIQE is NaN.

    Raises:
        UsageError: `images` are invalid, or Ma's forests cannot be downloaded.
    """
    scores = niqe(images, reference=reference, protocol="pi")  # first: it has the larger minimum size, and is fast
    return combine(ma(images, reference=reference, weights=weights), scores)


def combine(ma: Float[np.ndarray, " b"], niqe: Float[np.ndarray, " b"]) -> Float[np.ndarray, " b"]:
    """Combines the scores of both parts, each with protocol "pi", into PI."""
    return ((10 - ma) + niqe) / 2

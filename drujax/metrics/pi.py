"""The perceptual index of the PIRM 2018 challenge, ((10 - Ma) + NIQE) / 2.

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
    """PI of each picture: about 2 (best) to 10; lower is better.

    Both parts see luma of MATLAB's rgb2ycbcr without a border of 4 pixels. They can be had alone:
    `ma(images)` and `niqe(images, protocol="pi")`, of which the second needs no download.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 104 pixels.
        reference: whose arithmetic: IQA-PyTorch's `pi`, or the authors' MATLAB releases.
        weights: of Ma, see there.

    Returns:
        float64; NaN where NIQE is.

    Raises:
        UsageError: what `images` may not be; Ma's forests cannot be had.
    """
    scores = niqe(images, reference=reference, protocol="pi")  # first: it knows the least size, and is soon done
    return combine(ma(images, reference=reference, weights=weights), scores)


def combine(ma: Float[np.ndarray, " b"], niqe: Float[np.ndarray, " b"]) -> Float[np.ndarray, " b"]:
    """PI of the scores of its parts, both of protocol "pi"."""
    return ((10 - ma) + niqe) / 2

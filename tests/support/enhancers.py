"""Enhancers without a network: an even and natural one, and one with halos that no-reference metrics like."""

import numpy as np

from drujax.metrics.exposure_faults import box_mean
from drujax.pictures.color import luma, to_float, to_uint8

STEEPNESS = 8.0


def lift(batch: np.ndarray) -> np.ndarray:
    """A logarithmic curve of luma; the ratios of R, G and B stay as far as nothing clips. uint8 ... 3 -> the same."""
    x = to_float(batch)
    y = np.maximum(luma(x), 1e-4)
    gain = np.log1p(STEEPNESS * y) / np.log1p(STEEPNESS) / y
    return to_uint8(x * np.minimum(gain, 1 / np.maximum(x.max(-1), 1e-4))[..., None])


def halos(batch: np.ndarray) -> np.ndarray:
    """Zero-DCE's curve, its strength the cube of what a blurred maximum leaves below 1: dark places are lifted most.

    PIQE and NIQE prefer it to SCI-easy, Zero-DCE++ and CLIP-LIT, and it is wrong: what is dark between lights gets
    their halos, and skies end below the ground.
    """
    return np.stack([_halos(picture) for picture in batch])


def _halos(rgb: np.ndarray) -> np.ndarray:
    x = to_float(rgb)
    blurred = x.max(-1)
    for _ in range(3):
        blurred = box_mean(blurred, max(2, min(blurred.shape) // 24))
    for _ in range(4):
        x = x + ((1 - blurred) ** 3)[..., None] * x * (1 - x)
    return to_uint8(x)

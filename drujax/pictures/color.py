"""Luma, and conversion between floats and samples of 8 or 16 bits."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8, UInt16

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Added to luma in [0, 1] before its logarithm: four levels of 255, below which noise would decide.
DARKEST = 4 / 255


def luma(rgb: Shaped[Any, "*b h w 3"]) -> Float[Any, "*b h w"]:
    """ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B, in the units of `rgb` (a numpy or jax array)."""
    red, green, blue = LUMA_WEIGHTS
    return red * rgb[..., 0] + green * rgb[..., 1] + blue * rgb[..., 2]


def to_float(samples: UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """Converts samples of 8 or 16 bits to float32 in 0..1."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)


def to_uint8(x: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Converts samples in 0..1 to 8 bits: clipped, then rounded to nearest (the official EnlightenGAN code
    truncates).
    """
    return np.rint(np.clip(x, 0.0, 1.0) * 255.0).astype(np.uint8)


def to_uint16(x: Float[np.ndarray, "..."]) -> UInt16[np.ndarray, "..."]:
    """Converts samples in 0..1 to 16 bits: clipped, then rounded to nearest."""
    return np.rint(np.clip(x, 0.0, 1.0) * 65535.0).astype(np.uint16)

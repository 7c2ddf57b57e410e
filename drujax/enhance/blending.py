"""A picture mixed with a network's own output, and rounded to levels, in NumPy."""

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import DTypeLike

from drujax.pictures.arrays import is_floating
from drujax.pictures.color import to_float


def mixed(
    before: Float[np.ndarray, "*b h w 3"], after: Float[np.ndarray, "*b h w 3"], share: Float[np.ndarray, "*b 1 1 1"]
) -> Float[np.ndarray, "*b h w 3"]:
    """Returns the share of the output, which is clipped, and 1 - share of the image, in 0..1."""
    return ((1 - share) * before + share * after.clip(0, 1)).clip(0, 1)


def floats_of(image: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Returns an image of levels, or of floats, as float32 in 0..1: the inverse of `levels_of`."""
    return image.astype(np.float32) if is_floating(image.dtype) else to_float(image)


def levels_of(image: Float[np.ndarray, "..."], dtype: DTypeLike, rounding: str) -> Shaped[np.ndarray, "..."]:
    """Returns an image in 0..1 as floats, if `dtype` is, or as levels, rounded to "nearest" or by "floor"."""
    dtype = np.dtype(dtype)
    if is_floating(dtype):
        return image
    levels = image * np.float32(np.iinfo(dtype).max)
    return (np.rint(levels) if rounding == "nearest" else np.floor(levels)).astype(dtype)

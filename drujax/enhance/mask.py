"""Masks: where a picture is enhanced, and how much."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from drujax.errors import UsageError
from drujax.pictures import vips
from drujax.pictures.color import luma
from drujax.pictures.io import read_picture
from drujax.pictures.resampling import resized

Mask = Float[np.ndarray, "h w"]  # 0..1: the share of the change
# A mask of another shape than the picture was painted for another one.
ASPECT = 0.02


def read_mask(path: str | Path) -> Mask:
    """Reads a picture as a mask: white 1, black or transparent 0.

    Raises:
        UsageError, OSError: as `read_picture`.
    """
    picture = read_picture(path)
    mask = np.asarray(luma(_unit(picture.rgb)), np.float32)
    return mask if picture.alpha is None else mask * _unit(picture.alpha)


def check_mask(mask: ArrayLike | None) -> Mask | None:
    """Returns the mask as float32. Raises UsageError for another shape or values outside 0..1."""
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise UsageError(f"mask: must be an array (h, w) in 0..1, got {array.dtype} {array.shape}")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        raise UsageError("mask: has values outside 0..1")
    return array.astype(np.float32)


def masked(before: Any, after: Any, mask: Mask) -> Any:
    """Returns `before` with the share of the change to `after` that the mask has, as lazy images of one format.

    The mask is resized to the picture.

    Raises:
        UsageError: it has another aspect ratio.
    """
    share = _fitted(mask, before.height, before.width)
    mixed = before + (after - before) * share
    return mixed if before.format == "float" else (mixed + 0.5).cast(before.format)


def fitted(mask: Mask, height: int, width: int) -> Mask:
    """Returns the mask at that size.

    Raises:
        UsageError: it has another aspect ratio.
    """
    return vips.pixels(_fitted(mask, height, width)).reshape(height, width).astype(np.float32)


def _fitted(mask: Mask, height: int, width: int) -> Any:
    mask_height, mask_width = mask.shape
    ratio = (mask_width * height) / (mask_height * width)
    # Of few pixels, a rounded size changes the ratio more than that.
    if abs(np.log(ratio)) > ASPECT + 1 / min(height, width, mask_height, mask_width):
        raise UsageError(f"mask: {mask_width}x{mask_height} pixels are of another shape than {width}x{height}")
    return resized(vips.library().Image.new_from_array(mask), height, width).clamp(min=0, max=1)


def _unit(levels: np.ndarray) -> np.ndarray:
    return levels.astype(np.float32) / np.iinfo(levels.dtype).max

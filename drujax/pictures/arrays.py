"""Validation of image arrays, shared by all functions that take them."""

import os
import reprlib
from typing import Any

import numpy as np
from jaxtyping import Shaped

from drujax.errors import UsageError
from drujax.pictures.picture import Picture

# Floating images may leave 0..1 by this much, as rounding does; more is a mistake (0..255?).
SLACK = 1e-3


def as_images(images: Any, argument: str) -> Shaped[np.ndarray, "*b h w 3"]:
    """Validates `images`; returns them as an array in their byte order, without copying one.

    Args:
        images: (h, w, 3) or (b, h, w, 3), at least one pixel: uint8, uint16, or floating in 0..1; an array of NumPy,
            JAX or another library, or nested sequences.
        argument: name of the argument, for error messages.

    Raises:
        UsageError: not an array, invalid shape, dtype or range, or NaN.
    """
    array = _array(images, argument)
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape:
        raise UsageError(f"{argument}: shape must be (h, w, 3) or (b, h, w, 3), all >= 1, got {array.shape}")
    if is_floating(array.dtype):
        low, high = float(array.min()), float(array.max())
        if not (low >= -SLACK and high <= 1 + SLACK):  # false for NaN, too
            raise UsageError(f"{argument}: floating values must be in 0..1, got {low:g}..{high:g}")
    elif array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        levels = "; levels 0..255 become that by .astype('uint8'), 0..65535 by .astype('uint16')"
        hint = levels if array.dtype.kind in "iu" and array.dtype.itemsize > 1 else ""
        raise UsageError(f"{argument}: dtype must be uint8, uint16, or floating in 0..1, got {array.dtype}{hint}")
    return array


def native(array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Converts `array` for JAX: native byte order, floating-point numbers of at most 64 bits."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # longdouble
        return array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_floating(dtype: np.dtype) -> bool:
    """Whether `dtype` is floating-point, including bfloat16, which NumPy does not recognise."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _array(images: Any, argument: str) -> np.ndarray:
    if isinstance(images, Picture):
        raise UsageError(f"{argument}: must be an array, got a Picture; its pixels are .rgb")
    if isinstance(images, str | bytes | os.PathLike):
        raise UsageError(f"{argument}: must be an array, got {images!r}; drujax.read_picture reads files")
    if isinstance(images, np.ma.MaskedArray) and np.ma.is_masked(images):
        raise UsageError(f"{argument}: must not be masked; fill it first with .filled()")
    try:
        array = np.asarray(images)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors on a device, or with a gradient
        raise UsageError(f"{argument}: cannot be made an array ({str(error).partition(chr(10))[0]})") from error
    if array.ndim == 0 and array.dtype == object:
        raise UsageError(f"{argument}: must be an array, got {reprlib.repr(images)}")
    return array

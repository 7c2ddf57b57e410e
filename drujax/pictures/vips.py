"""Decodes and encodes pixels with libvips, in memory; errors are UsageErrors."""

import functools
import logging
from types import ModuleType
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures.stored import check_size, damaged

TRUNCATED = ("premature end", "not enough", "read error", "truncated", "unexpected end", "eof")


@functools.cache
def library() -> ModuleType:
    """Returns pyvips, imported on first use, so that commands without pictures start faster."""
    import pyvips

    logging.getLogger("pyvips").setLevel(logging.ERROR)  # without warnings about damaged tags
    pyvips.cache_set_max(0)  # cached operations would keep their images in memory
    return pyvips


def load(loader: str, content: bytes, **options: Any) -> Any:
    """Returns the lazy pyvips image that `loader` ("png", "tiff", ...) finds in `content`.

    Raises:
        UsageError: the picture is damaged or too large.
    """
    vips = library()
    options = {"access": "sequential", "fail_on": "error"} | options
    try:
        image = getattr(vips.Image, f"{loader}load_buffer")(content, **options)
    except vips.Error as error:
        raise damaged(reason(error)) from error
    check_size(image.width, image.height)
    return image


def pixels(image: Any) -> np.ndarray:
    """Returns the samples, (h, w) or (h, w, c), of a pyvips image. Raises UsageError if they cannot be decoded."""
    try:
        return image.numpy()
    except library().Error as error:
        raise damaged(reason(error)) from error


def save(saver: str, samples: np.ndarray, **options: Any) -> bytes:
    """Returns the bytes of a file ("png", "tiff") that holds `samples` and no metadata. Raises UsageError."""
    vips = library()
    grey = samples.ndim == 2 or samples.shape[2] < 3
    kind = ("grey16" if grey else "rgb16") if samples.dtype == np.uint16 else ("b-w" if grey else "srgb")
    image = vips.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation=kind)
    try:
        return getattr(image, f"{saver}save_buffer")(keep="none", **options)
    except vips.Error as error:
        raise UsageError(f"cannot be written as {saver.upper()} ({reason(error)})") from error


def reason(error: Exception) -> str:
    """Returns the message of a libvips error, in one line."""
    lines = [line.split(": ", 1)[-1].strip() for line in str(error).splitlines()[1:] if line.strip()]
    if any(word in line.lower() for line in lines for word in TRUNCATED):
        return "image file is truncated"
    return lines[0] if lines else str(error).strip()

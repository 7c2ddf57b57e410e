"""Decodes and encodes pixels with libvips, in memory and in files; errors are UsageErrors."""

import contextlib
import errno
import functools
import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures.stored import check_size, damaged
from drujax.runtime.atomic_write import hidden

NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENOENT)
_FIRST_USE = threading.Lock()
TRUNCATED = ("premature end", "not enough", "read error", "truncated", "unexpected end", "eof")


def library() -> ModuleType:
    """Returns pyvips, imported on first use, so that commands without pictures start faster."""
    with _FIRST_USE:  # cffi completes its types when they are first used, which several threads must not do at once
        return _library()


@functools.cache
def _library() -> ModuleType:
    import pyvips

    logging.getLogger("pyvips").setLevel(logging.ERROR)  # without warnings about damaged tags
    _log_warnings_only(pyvips)
    pyvips.cache_set_max(0)  # cached operations would keep their images in memory
    pyvips.Image.new_from_array(np.zeros((1, 1), np.uint8)).linear([1.0], [0.0]).write_to_memory()
    return pyvips


def _log_warnings_only(pyvips: Any) -> None:
    """Lets libvips call Python for warnings and errors, not when an operation ends: there a Ctrl-C would be lost."""
    levels = pyvips.GLogLevelFlags
    serious = levels.LEVEL_WARNING | levels.LEVEL_CRITICAL | levels.LEVEL_ERROR
    flags = serious | levels.FLAG_FATAL | levels.FLAG_RECURSION
    pyvips.glib_lib.g_log_remove_handler(b"VIPS", pyvips._log_handler_id)
    pyvips._log_handler_id = pyvips.glib_lib.g_log_set_handler(b"VIPS", flags, pyvips._log_handler_cb, pyvips.ffi.NULL)


def load(loader: str, content: bytes | Path, **options: Any) -> Any:
    """Returns the lazy pyvips image that `loader` ("png", "tiff", ...) finds in the content of a file, or at its path.

    Raises:
        UsageError: the picture is damaged or too large.
    """
    vips = library()
    options = {"access": "sequential", "fail_on": "error"} | options
    try:
        if isinstance(content, Path):
            image = getattr(vips.Image, f"{loader}load")(str(content), **options)
        else:
            image = getattr(vips.Image, f"{loader}load_buffer")(content, **options)
    except vips.Error as error:
        raise damaged(reason(error)) from error
    frames = options.get("n") == -1 and image.get_typeof("page-height")  # one above the other
    check_size(image.width, image.get("page-height") if frames else image.height)
    return image


def pixels(image: Any) -> np.ndarray:
    """Returns the samples, (h, w) or (h, w, c), of a pyvips image. Raises UsageError if they cannot be decoded."""
    with decoding():
        samples = image.numpy()
    return samples if samples.ndim > 1 else samples.reshape(image.height, image.width)  # of one grey pixel it has none


def rgb(image: Any, *, opacity: bool = False) -> Any:
    """Returns the colours of a lazy image, grey or RGB; with its alpha if it has one and `opacity` asks for it."""
    if image.bands == 1:
        return interpreted(image.bandjoin([image, image]))
    return image[:3] if image.bands == 4 and not opacity else image


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Raises UsageError if a picture that is read cannot be decoded."""
    try:
        yield
    except library().Error as error:
        raise damaged(reason(error)) from error


def save(saver: str, samples: np.ndarray, **options: Any) -> bytes:
    """Returns the bytes of a file ("png", "tiff") that holds `samples` and no metadata. Raises UsageError."""
    image = interpreted(library().Image.new_from_array(np.ascontiguousarray(samples)))
    try:
        return getattr(image, f"{saver}save_buffer")(keep="none", **options)
    except library().Error as error:
        raise UsageError(f"cannot be written as {saver.upper()} ({reason(error)})") from error


def save_file(saver: str, image: Any, path: Path, **options: Any) -> None:
    """Writes a lazy image to a file without metadata.

    Raises UsageError if the image cannot be decoded, OSError if the file cannot be written.
    """
    try:
        getattr(interpreted(image), f"{saver}save")(str(path), keep="none", **options)
    except library().Error as error:
        if "write error" not in str(error):
            raise damaged(reason(error)) from error
        code = next((code for code in NOT_WRITTEN if os.strerror(code) in str(error)), errno.EIO)
        raise OSError(code, os.strerror(code), str(path)) from error


@contextlib.contextmanager
def saved(saver: str, image: Any, beside: Path, **options: Any) -> Iterator[io.BufferedIOBase]:
    """Yields the file that `save_file` writes, a temporary one beside a path, for reading."""
    path = hidden(beside)
    try:
        save_file(saver, image, path, **options)
        with path.open("rb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def of_array(rgb: np.ndarray, alpha: np.ndarray | None = None) -> Any:
    """Returns a lazy image of an array (h, w, 3) in C order, with an alpha channel (h, w) of its dtype if given."""
    samples = rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], -1)
    return library().Image.new_from_array(samples)


def interpreted(image: Any) -> Any:
    """Returns a lazy image of 8 or 16 bits with the interpretation of its channels."""
    grey, deep = image.bands < 3, image.format == "ushort"
    return image.copy(interpretation=("grey16" if grey else "rgb16") if deep else ("b-w" if grey else "srgb"))


def top(image: Any) -> float:
    """Returns the level of white: 255, 65535, or 1 for floats."""
    return {"uchar": 255.0, "ushort": 65535.0}.get(image.format, 1.0)


def reason(error: Exception) -> str:
    """Returns the message of a libvips error, in one line."""
    lines = [line.split(": ", 1)[-1].strip() for line in str(error).splitlines()[1:] if line.strip()]
    if any(word in line.lower() for line in lines for word in TRUNCATED):
        return "image file is truncated"
    return lines[0] if lines else str(error).strip()

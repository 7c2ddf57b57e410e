"""WebP, by Pillow."""

import dataclasses
import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.containers import plain
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Stored, Written

QUALITY = 95
HOLDS = frozenset({"icc_profile", "exif", "xmp"})
LOSSLESS = b"VP8L"
KNOWN = (b"VP8 ", LOSSLESS, b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
CONTENT_CREDENTIALS = b"C2PA"
FRAME_HEADER = 16  # bytes of an animation's frame before the chunks in it


def read(content: bytes) -> Stored:
    """Returns the picture of a WebP file. Raises UsageError."""
    names = list(dict.fromkeys(_chunk_names(content)))
    stored = plain.read(content, ("WEBP",), encoding={"lossless": LOSSLESS in names})
    return dataclasses.replace(stored, notes=tuple(_not_kept(name) for name in names if name not in KNOWN))


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the WebP file of `samples` with the metadata of `picture`."""
    options: dict[str, Any] = {"quality": QUALITY, "exact": True}  # exact: keep the colours under alpha 0
    if quality is not None:
        options["quality"] = quality
    elif picture.format == "WEBP":
        options |= picture.encoding
    if picture.exif:
        options["exif"] = picture.exif.removeprefix(exif.PREFIX)
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    if picture.xmp:
        options["xmp"] = picture.xmp
    file = io.BytesIO()
    try:
        Image.fromarray(samples).save(file, "WEBP", **options)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as WEBP ({error})") from error
    return Written(file.getvalue())


def _not_kept(name: bytes) -> str:
    if name == CONTENT_CREDENTIALS:
        return "content credentials, which an edited picture invalidates"
    return f"WebP chunk {name.decode('latin-1')}"


def _chunk_names(content: bytes) -> Iterator[bytes]:
    position, end = 12, 8 + int.from_bytes(content[4:8], "little")  # what follows is not part of the file
    while position + 8 <= min(end, len(content)):
        name, size = struct.unpack_from("<4sI", content, position)
        yield name
        position += 8 + (FRAME_HEADER if name == b"ANMF" else size + size % 2)

"""BMP: pixels by Pillow, the colour profile from version 5 of its header."""

import dataclasses
import io
import struct

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.containers import plain
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Stored, Written

HOLDS = frozenset({"dpi"})
FILE_HEADER, VERSION_5 = 14, 124  # sizes in bytes
COLOR_SPACE, PROFILE = FILE_HEADER + 56, FILE_HEADER + 112  # offsets of fields
EMBEDDED, LINKED = b"DEBM", b"KNIL"  # "MBED" and "LINK" as little-endian numbers


def read(content: bytes) -> Stored:
    """Returns the picture of a BMP file. Raises UsageError."""
    stored = plain.read(content, ("BMP",))
    if len(content) < FILE_HEADER + VERSION_5 or int.from_bytes(content[14:18], "little") < VERSION_5:
        return stored
    kind = content[COLOR_SPACE : COLOR_SPACE + 4]
    offset, size = struct.unpack_from("<II", content, PROFILE)
    profile = content[FILE_HEADER + offset : FILE_HEADER + offset + size]
    if kind == EMBEDDED and size and len(profile) == size:
        return dataclasses.replace(stored, metadata=dataclasses.replace(stored.metadata, icc_profile=profile))
    if kind in (EMBEDDED, LINKED):
        why = "which is in another file" if kind == LINKED else "which is damaged"
        return dataclasses.replace(stored, notes=(f"the colour profile, {why}",))
    return stored


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the BMP file of `samples`, (h, w) or (h, w, 3). Raises UsageError."""
    file, dpi = io.BytesIO(), picture.dpi
    fits = dpi is None or max(dpi) < 2**31 * 0.0254
    try:
        Image.fromarray(samples).save(file, "BMP", **({"dpi": dpi} if dpi and fits else {}))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as BMP ({error})") from error
    return Written(file.getvalue(), () if fits else ("the resolution, which BMP cannot hold",))

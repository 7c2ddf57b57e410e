"""TGA, by Pillow."""

import dataclasses
import io

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.containers import plain
from drujax.pictures.picture import Picture
from drujax.pictures.stored import Stored, Written

HOLDS: frozenset[str] = frozenset()
SIGNATURE = b"TRUEVISION-XFILE.\0"
FOOTER = 26  # bytes
TEXTS = slice(2, 367)  # author and comments in the extension area
RUN_LENGTH = (9, 10, 11)  # kinds of pictures that are compressed
LONGEST = 65535  # pixels of a side


def read(content: bytes) -> Stored:
    """Returns the picture of a TGA file. Raises UsageError."""
    stored = plain.read(content, ("TGA",), encoding={"rle": content[2] in RUN_LENGTH})
    texts = content[18 : 18 + content[0]]
    if content.endswith(SIGNATURE):
        area = int.from_bytes(content[-FOOTER:][:4], "little")
        texts += content[area:][TEXTS] if area else b""
    return dataclasses.replace(stored, notes=("the texts of TGA",)) if texts.strip(b"\0 ") else stored


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the TGA file of `samples`; compressed, unless the picture was a TGA that is not. Raises UsageError."""
    if max(samples.shape[:2]) > LONGEST:
        raise UsageError(f"cannot be written as TGA, whose sides have at most {LONGEST} pixels")
    compressed = picture.encoding.get("rle", True) if picture.format == "TGA" else True
    file = io.BytesIO()
    try:
        Image.fromarray(samples).save(file, "TGA", compression="tga_rle" if compressed else None)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as TGA ({error})") from error
    return Written(file.getvalue())

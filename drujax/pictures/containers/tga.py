"""TGA, read only, by Pillow."""

import dataclasses

from drujax.pictures.containers import plain
from drujax.pictures.stored import Stored

SIGNATURE = b"TRUEVISION-XFILE.\0"
FOOTER = 26  # bytes
TEXTS = slice(2, 367)  # author and comments in the extension area


def read(content: bytes) -> Stored:
    """Returns the picture of a TGA file. Raises UsageError."""
    stored = plain.read(content, ("TGA",))
    texts = content[18 : 18 + content[0]]
    if content.endswith(SIGNATURE):
        area = int.from_bytes(content[-FOOTER:][:4], "little")
        texts += content[area:][TEXTS] if area else b""
    return dataclasses.replace(stored, notes=("the texts of TGA",)) if texts.strip(b"\0 ") else stored

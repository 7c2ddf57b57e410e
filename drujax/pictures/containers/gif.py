"""GIF, read only: pixels and comments by Pillow, XMP and the colour profile from application extensions."""

import dataclasses
from collections.abc import Iterator

from drujax.pictures.containers import plain
from drujax.pictures.stored import Stored

EXTENSION, APPLICATION, IMAGE = 0x21, 0xFF, 0x2C
XMP, ICC = b"XMP DataXMP", b"ICCRGBG1012"
ABOUT_ANIMATION = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
# XMP is stored in one piece, without lengths; this trailer leads a reader that expects them to the end of the block.
TRAILER = b"\1" + bytes(range(255, -1, -1))


def read(content: bytes) -> Stored:
    """Returns the picture of a GIF file. Raises UsageError."""
    stored = plain.read(content, ("GIF",))
    blocks, notes = {}, []
    for name, data in _applications(content):
        if name == XMP:
            packet, trailer, _ = data.partition(TRAILER)
            blocks["xmp"] = packet if trailer else _joined(data)
        elif name == ICC:
            blocks["icc_profile"] = _joined(data)
        elif name not in ABOUT_ANIMATION:
            notes.append(f"GIF extension {name.decode('latin-1')}")
    metadata = dataclasses.replace(stored.metadata, **blocks)
    return dataclasses.replace(stored, metadata=metadata, notes=tuple(dict.fromkeys(notes)))


def _applications(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (name, sub-blocks as stored) of the application extensions."""
    content += bytes(16)  # so that indices into a truncated file are valid
    position = 13 + _table_size(content[10])
    while position + 16 < len(content):
        if content[position] == EXTENSION:
            start = position + 2
        elif content[position] == IMAGE:
            start = position + 11 + _table_size(content[position + 9])
        else:
            return
        end = start
        while end < len(content) and content[end]:
            end += 1 + content[end]
        if content[position : position + 3] == bytes([EXTENSION, APPLICATION, 11]):
            yield content[start + 1 : start + 12], content[start + 12 : end]
        position = end + 1


def _table_size(flags: int) -> int:
    """Returns the size of a colour table in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _joined(data: bytes) -> bytes:
    """Joins sub-blocks, each of which follows its length."""
    parts, position = [], 0
    while position < len(data):
        parts.append(data[position + 1 : position + 1 + data[position]])
        position += 1 + data[position]
    return b"".join(parts)

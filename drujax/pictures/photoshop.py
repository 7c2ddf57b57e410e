"""Photoshop's image resources ("8BIM" blocks), in which JPEG and TIFF carry IPTC."""

import struct
from collections.abc import Iterator

SIGNATURES = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")
IPTC = 0x0404
THUMBNAILS = (0x0409, 0x040C)  # which show the old picture


def without_thumbnails(resources: bytes) -> bytes | None:
    """Returns `resources` without the embedded thumbnails; None if nothing is left."""
    return b"".join(raw for number, _, raw in _resources(resources) if number not in THUMBNAILS) or None


def iptc_of(resources: bytes) -> bytes | None:
    """Returns the IPTC record among `resources`."""
    return next((data for number, data, _ in _resources(resources) if number == IPTC), None)


def of_iptc(record: bytes) -> bytes:
    """Returns the image resource that holds an IPTC record."""
    return b"8BIM" + struct.pack(">HHI", IPTC, 0, len(record)) + record + bytes(len(record) % 2)


def _resources(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yields (number, data, the resource as stored) up to the first that is damaged."""
    position = 0
    while content[position : position + 4] in SIGNATURES and position + 12 <= len(content):
        name = 1 + content[position + 6]
        start = position + 6 + name + name % 2 + 4
        number, size = struct.unpack_from(">H", content, position + 4)[0], content[start - 4 : start]
        if len(size) < 4 or start + int.from_bytes(size) > len(content):
            return
        end = start + int.from_bytes(size)
        yield number, content[start:end], content[position:end].ljust(end - position + (end - start) % 2, b"\0")
        position = end + (end - start) % 2

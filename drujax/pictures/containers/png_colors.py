"""PNG chunks that depend on the storage of pixels: background and significant bits."""

import struct
from collections.abc import Iterable

Chunk = tuple[bytes, bytes]
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
BACKGROUND, SIGNIFICANT_BITS = b"bKGD", b"sBIT"


def of_rgb(header: bytes, palette: bytes, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Converts the background in `chunks` from a palette or fewer than 8 bits."""
    depth, kind = header[8], header[9]
    fixed = []
    for name, data in chunks:
        if name == BACKGROUND and kind == PALETTE:
            color = palette[3 * data[0] : 3 * data[0] + 3] if data else b""
            if len(color) == 3:
                fixed.append((name, struct.pack(">3H", *color)))
        elif name == BACKGROUND and kind == GREY and depth < 8 and len(data) == 2:
            value = int.from_bytes(data) * 255 // (2**depth - 1)
            fixed.append((name, struct.pack(">H", min(value, 255))))
        else:
            fixed.append((name, data))
    return fixed


def of_kind(channels: int, depth: int, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Adapts `chunks` to pixels of 1 to 4 channels of 8 or 16 bits."""
    return [(name, _adapted(name, data, channels, depth)) for name, data in chunks]


def _adapted(name: bytes, data: bytes, channels: int, depth: int) -> bytes:
    colors = 1 if channels < 3 else 3
    if name == BACKGROUND and len(data) in (2, 6):
        return data[:2] * colors if len(data) != 2 * colors else data
    if name == SIGNIFICANT_BITS and data and len(data) != channels:
        own = data[:3] if len(data) >= 3 else data[:1]
        own = own[:1] * colors if len(own) != colors else own
        alpha = data[-1:] if len(data) in (2, 4) else bytes([depth])
        return own + (alpha if channels in (2, 4) else b"")
    return data

"""The one EXIF field that must change when a picture's pixels are turned upright."""

import struct

ORIENTATION = 0x0112
PREFIX = b"Exif\0\0"


def upright(exif: bytes) -> tuple[int, bytes | None]:
    """The orientation 1..8 that `exif` gives (1 where it gives none), and the EXIF block of the upright picture.

    The block is patched in place and not rebuilt, because camera makers' notes hold offsets into it: the orientation
    becomes 1, and the link to the embedded thumbnail, which shows the old picture, is cut. A damaged block gives
    (1, None).
    """
    body = bytearray(exif.removeprefix(PREFIX))
    order = {b"II": "<", b"MM": ">"}.get(bytes(body[:2]))
    if order is None:
        return 1, None
    orientation = 1
    try:
        (first,) = struct.unpack_from(order + "I", body, 4)
        (count,) = struct.unpack_from(order + "H", body, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, _kind, _length, value = struct.unpack_from(order + "HHIH", body, entry)
            if tag == ORIENTATION:
                orientation = value if 1 <= value <= 8 else 1
                struct.pack_into(order + "H", body, entry + 8, 1)
        end = first + 2 + 12 * count
        if end + 4 <= len(body):  # some writers leave the link out
            struct.pack_into(order + "I", body, end, 0)
    except struct.error:
        return 1, None
    return orientation, PREFIX + bytes(body)

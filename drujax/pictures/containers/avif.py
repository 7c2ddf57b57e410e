"""AVIF, read only: 10 and 12 bits through libvips, which preserves them, 8 bits through Pillow, whose chroma upsampling
is smoother (libvips repeats each sample of 4:2:0).
"""

import dataclasses
import struct
from typing import Any

import numpy as np

from drujax.pictures import exif, vips
from drujax.pictures.containers import plain
from drujax.pictures.picture import Metadata
from drujax.pictures.stored import Stored, check_single

COLORS = b"colrnclx"
UNDECLARED = {(1, 13), (2, 2), (1, 1), (1, 2), (2, 13)}  # primaries and transfer that mean, or are treated as, sRGB


def read(content: bytes) -> Stored:
    """Returns the picture of an AVIF file. Raises UsageError."""
    image = vips.load("heif", content, unlimited=True)
    check_single(image.get("n-pages") if image.get_typeof("n-pages") else 1)
    depth = image.get("bits-per-sample")
    stored = plain.read(content, ("AVIF",)) if depth == 8 else _deep(image, depth)
    if stored.metadata.icc_profile:
        return stored
    return dataclasses.replace(stored, metadata=dataclasses.replace(stored.metadata, chunks=_colors(content)))


def _deep(image: Any, depth: int) -> Stored:
    """Reads a picture of more than 8 bits, which libvips has turned upright."""
    block, profile, xmp = (_blob(image, name) for name in ("exif-data", "icc-profile-data", "xmp-data"))
    block = exif.PREFIX + block.removeprefix(exif.PREFIX) if block else None
    metadata = Metadata(exif=block, icc_profile=profile, xmp=xmp)
    return Stored(_sixteen_bits(vips.pixels(image), depth), metadata, orientation=1)


def _blob(image: Any, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None


def _sixteen_bits(samples: np.ndarray, depth: int) -> np.ndarray:
    """Fills the low bits of `samples`, of which libvips sets the upper `depth` bits, so that white stays white."""
    return samples | samples >> depth


def _colors(content: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the colours that the file declares without a profile, as PNG's equivalent chunk cICP."""
    at = content.find(COLORS)
    if at < 0 or at + 14 > len(content):
        return ()
    primaries, transfer = struct.unpack_from(">HH", content, at + len(COLORS))
    if (primaries, transfer) in UNDECLARED or max(primaries, transfer) > 255:
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)

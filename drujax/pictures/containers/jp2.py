"""JPEG 2000, by Pillow: 8 bits a channel, and up to 16 of grey; metadata as boxes of JP2. It is written losslessly."""

import dataclasses
import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import exif
from drujax.pictures.containers import plain
from drujax.pictures.containers.boxes import boxes
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, damaged

HOLDS = frozenset({"icc_profile", "exif", "xmp", "dpi"})
CONTAINER, CODESTREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF = b"JpgTiffExif->JP2"
INCH = 0.0254  # metres
ENUMERATED, PROFILE = 1, 2  # ways to declare the colours
CMYK = 12
KNOWN = (b"jP  ", b"ftyp", b"jp2h", b"jp2c")
SIZ = 40  # bytes of the codestream before the depths of its components


def read(content: bytes) -> Stored:
    """Returns the picture of a JPEG 2000 file. Raises UsageError."""
    depths = _depths(content)
    if len(depths) > 1 and max(depths) > 8:
        raise UsageError(
            f"a JPEG 2000 of {max(depths)} bits a channel, of which Pillow reads 8; save it as PNG or TIFF first"
        )
    blocks, notes = {}, []
    for name, data in _boxes(content):
        if name == b"colr" and data[:1] == bytes([PROFILE]):
            blocks["icc_profile"] = data[3:]
        elif name == b"colr" and data[:1] == bytes([ENUMERATED]) and int.from_bytes(data[3:7]) == CMYK:
            raise UsageError("a JPEG 2000 of CMYK colours, which are not supported; save it as RGB first")
        elif name == b"uuid" and data.startswith(XMP):
            blocks["xmp"] = data[len(XMP) :]
        elif name == b"uuid" and data.startswith(EXIF):
            blocks["exif"] = exif.PREFIX + data[len(EXIF) :]
        elif name in (b"uuid", b"xml ", b"jumb"):
            notes.append(f"JPEG 2000 box {name.decode().strip()}")
    stored = plain.read(content, ("JPEG2000",))
    metadata = dataclasses.replace(stored.metadata, comments=(), **blocks)
    return dataclasses.replace(stored, metadata=metadata, notes=tuple(dict.fromkeys(notes)))


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the JP2 file of `samples` with the metadata of `picture`. Raises UsageError."""
    file = io.BytesIO()
    colored = samples.ndim == 3 and samples.shape[2] >= 3
    try:
        Image.fromarray(samples).save(file, "JPEG2000", irreversible=False, mct=int(colored), no_jp2=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as JPEG 2000 ({error})") from error
    return Written(_with_metadata(file.getvalue(), picture))


def _depths(content: bytes) -> list[int]:
    """Returns the bits of each component."""
    start = content.find(CODESTREAM)
    if start < 0 or start + SIZ + 2 > len(content):
        raise damaged("image file is truncated")
    (count,) = struct.unpack_from(">H", content, start + SIZ)
    depths = content[start + SIZ + 2 :][: 3 * count : 3]
    return [(depth & 0x7F) + 1 for depth in depths] or [8]


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the name and data of each box but the codestream, also of those in the header."""
    for place in boxes(content) if content.startswith(CONTAINER) else ():
        for name, first, last in boxes(content, *place[1:]) if place[0] == b"jp2h" else (place,):
            if name not in KNOWN:
                yield name, content[first:last]


def _with_metadata(content: bytes, picture: Metadata) -> bytes:
    """Adds boxes: the profile and the resolution in the header, others before the codestream."""
    start = content.index(b"jp2h") - 4
    (size,) = struct.unpack_from(">I", content, start)
    header = content[start + 8 : start + size]
    if picture.icc_profile:
        at = header.index(b"colr") - 4
        (old,) = struct.unpack_from(">I", header, at)
        header = header[:at] + _box(b"colr", bytes([PROFILE, 0, 0]) + picture.icc_profile) + header[at + old :]
    if picture.dpi:
        across, down = (min(max(round(value / INCH), 1), 65535) for value in picture.dpi)
        header += _box(b"res ", _box(b"resc", struct.pack(">4H2b", down, 1, across, 1, 0, 0)))
    further = _box(b"uuid", EXIF + picture.exif.removeprefix(exif.PREFIX)) if picture.exif else b""
    further += _box(b"uuid", XMP + picture.xmp) if picture.xmp else b""
    return content[:start] + _box(b"jp2h", header) + further + content[start + size :]


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, name) + data

"""Colour pictures of 16 bits a channel, which Pillow reads and writes with 8 only.

Reading lets Pillow decode the file twice, taking the first byte of each sample as "high" once and the second byte the
other time. Writing builds the PNG or TIFF around zlib, with the metadata as Pillow writes them.
"""

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt16
from PIL import Image, ImageFile, TiffImagePlugin, TiffTags

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_COLOUR_TYPES = {2: 4, 3: 2, 4: 6}  # by number of channels
PNG_RGBA = bytes([8, 6])  # depth, colour type


def decode(content: bytes, image: Image.Image) -> UInt16[np.ndarray, "h w c"] | None:
    """All 16 bits of grey-alpha (c = 2), RGB (3) and RGBA (4) pictures; None for a picture that is none of these.

    `image` is the file `content` as Pillow opened it, not yet loaded. Pixels are as Pillow turns them: upright for
    TIFF, as stored for PNG.
    """
    mode, _, order = _raw_mode(image).partition(";16")
    if mode == "LA" and order:
        return _decode_grey_alpha(content)
    if mode not in ("RGB", "RGBA") or not order:
        return None
    first, second = (_decode_as(content, f"{mode};16{byte}") for byte in "BL")
    big_endian = order == "B" or (order == "N" and sys.byteorder == "big")
    high, low = (first, second) if big_endian else (second, first)
    return high.astype(np.uint16) << 8 | low


def encode(samples: UInt16[np.ndarray, "h w c"], format: str, options: dict[str, Any]) -> bytes:
    """The bytes of a PNG or TIFF file of 16 bits a channel (c = 2, 3, 4); `options` as Pillow's writer takes them."""
    return {"PNG": _encode_png, "TIFF": _encode_tiff}[format](samples, options)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, data) of each chunk of a PNG file."""
    position = len(SIGNATURE)
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        yield name, content[position + 8 : position + 8 + length]
        position += 12 + length


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words: "RGB;16B" is 16 bits, most significant byte first."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return ""
    arguments = image.tile[0].args
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    return raw_mode if isinstance(raw_mode, str) else ""  # a GIF's first argument is a number of bits


def _decode_as(content: bytes, raw_mode: str) -> np.ndarray:
    """The file decoded as if stored as `raw_mode` says: ";16B" gives each sample's first byte, ";16L" the second."""
    with Image.open(io.BytesIO(content)) as image:
        image.tile = [
            tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
            for tile in image.tile
        ]
        return np.asarray(image)


def _decode_grey_alpha(content: bytes) -> np.ndarray:
    """A grey-alpha PNG of 16 bits, read as an RGBA one of 8 bits: both have four bytes a pixel."""
    header = content[12:24] + PNG_RGBA + content[26:29]
    patched = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    with Image.open(io.BytesIO(patched)) as image:
        return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)


def _encode_png(samples: np.ndarray, options: dict[str, Any]) -> bytes:
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    stored = np.empty((height, 1 + rows.shape[1]), np.uint8)
    stored[:, 0] = 2  # filter "up": each byte as its difference from the one above
    stored[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=stored[1:, 1:])

    file = io.BytesIO()
    file.write(SIGNATURE)
    for name, data in png_chunks(_pattern("PNG", channels, options).getvalue()):
        if name == b"IHDR":
            data = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOUR_TYPES[channels], 0, 0, 0)
        elif name == b"IDAT":
            data = zlib.compress(stored.data, 6)
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return file.getvalue()


def _encode_tiff(samples: np.ndarray, options: dict[str, Any]) -> bytes:
    height, width, channels = samples.shape
    stored = samples.astype("<u2")
    stored[:, 1:] -= samples[:, :-1]
    strip = zlib.compress(stored.data, 6)

    with Image.open(_pattern("TIFF", channels, options | {"compression": "raw"})) as pattern:
        assert isinstance(pattern, TiffImagePlugin.TiffImageFile)
        directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
        for tag in pattern.tag_v2:
            # Of a sub-directory the pattern's own directory has only the offset.
            directory[tag] = pattern.getexif().get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else pattern.tag_v2[tag]
            directory.tagtype[tag] = pattern.tag_v2.tagtype[tag]
        directory[TiffImagePlugin.IMAGEWIDTH] = width
        directory[TiffImagePlugin.IMAGELENGTH] = height
        directory[TiffImagePlugin.BITSPERSAMPLE] = (16,) * channels
        directory[TiffImagePlugin.COMPRESSION] = 8  # deflate
        directory[TiffImagePlugin.PREDICTOR] = 2  # each sample as its difference from the one to the left
        directory[TiffImagePlugin.ROWSPERSTRIP] = height
        directory[TiffImagePlugin.STRIPBYTECOUNTS] = len(strip)
        directory[TiffImagePlugin.STRIPOFFSETS] = 0  # from the end of the directory: Pillow adds where that is
        file = io.BytesIO()
        directory.save(file)
    file.write(strip)
    return file.getvalue()


def _pattern(format: str, channels: int, options: dict[str, Any]) -> io.BytesIO:
    """A file of one pixel as Pillow writes it: everything but the pixels is taken from it."""
    file = io.BytesIO()
    Image.new({2: "LA", 3: "RGB", 4: "RGBA"}[channels], (1, 1)).save(file, format, **options)
    file.seek(0)
    return file

"""Writes picture files that Pillow cannot, according to their standards."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
FORMS = {1: "B", 3: "H", 4: "I", 5: "I"}
Tags = dict[int, tuple[int, bytes | tuple[int, ...]]]  # type and value


def directory(tags: Tags, at: int, order: str) -> bytes:
    """A TIFF directory at offset `at`, followed by its values."""
    rows, values = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        data = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}{FORMS[kind]}", *value)
        count = len(data) // SIZES[kind]
        if len(data) <= 4:
            field = data.ljust(4, b"\0")
        else:
            field = struct.pack(order + "I", behind + len(values))
            values += data + bytes(len(data) % 2)
        rows += struct.pack(order + "HHI", tag, kind, count) + field
    return struct.pack(order + "H", len(tags)) + rows + bytes(4) + values


def exif(tags: Tags, sub: Tags | None = None, *, order: str = "<") -> bytes:
    """An EXIF block without prefix; `sub` is its EXIF sub-directory."""
    tags = dict(tags)
    if sub is not None:
        tags[0x8769] = (4, (0,))
        tags[0x8769] = (4, (8 + len(directory(tags, 8, order)),))
    first = directory(tags, 8, order)
    return _header(order) + first + (directory(sub, 8 + len(first), order) if sub is not None else b"")


def tiff(
    *pages: tuple[np.ndarray, Tags],
    order: str = "<",
    planar: bool = False,
    packed: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """A TIFF with one strip per page (`planar`: per channel), of samples (h, w) or (h, w, c), with further tags.
    `packed` compresses a strip; the caller passes the matching tag.
    """
    file, link = _header(order), 4
    for samples, tags in pages:
        planes = list(np.moveaxis(samples, -1, 0)) if planar else [samples]
        strips = [packed(plane.astype(samples.dtype.newbyteorder(order)).tobytes()) for plane in planes]
        channels = 1 if samples.ndim == 2 else samples.shape[2]
        own: Tags = {
            256: (4, (samples.shape[1],)),
            257: (4, (samples.shape[0],)),
            258: (3, (8 * samples.dtype.itemsize,) * channels),
            259: (3, (1,)),
            262: (3, ({1: 1, 2: 1}.get(channels, 2),)),
            273: (4, tuple(len(file) + len(b"".join(strips[:number])) for number in range(len(strips)))),
            277: (3, (channels,)),
            278: (4, (samples.shape[0],)),
            279: (4, tuple(map(len, strips))),
            284: (3, (2 if planar else 1,)),
        }
        pixels = b"".join(strips) + bytes(len(b"".join(strips)) % 2)
        at = len(file) + len(pixels)
        file = file[:link] + struct.pack(order + "I", at) + file[link + 4 :]
        link = at + 2 + 12 * len(own | tags)
        file += pixels + directory(own | tags, at, order)
    return file


def png(samples: np.ndarray, *chunks: tuple[bytes, bytes], palette: bytes = b"") -> bytes:
    """A PNG of samples (h, w) or (h, w, c) without filters; with `palette` the samples are its indices."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    kind = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.dtype.itemsize, kind, 0, 0, 0)
    colours = [(b"PLTE", palette)] if palette else []
    # Background and transparency refer to the palette, colour spaces precede it.
    early = [chunk for chunk in chunks if chunk[0] not in (b"bKGD", b"tRNS")]
    late = [chunk for chunk in chunks if chunk[0] in (b"bKGD", b"tRNS")]
    parts = [(b"IHDR", header), *early, *colours, *late, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, data) of a PNG's chunks, checking their checksums."""
    position = 8
    while position < len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        data = content[position + 8 : position + 8 + length]
        assert zlib.crc32(name + data) == int.from_bytes(content[position + 8 + length : position + 12 + length])
        yield name, data
        position += 12 + length


def jpeg(samples: np.ndarray, *segments: tuple[int, bytes], **options) -> bytes:
    """A JPEG by Pillow with further segments: (0xE0 to 0xEF or 0xFE, data)."""
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", **options)
    content = file.getvalue()
    start = 4 + struct.unpack_from(">H", content, 4)[0]
    further = (bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return content[:start] + b"".join(further) + content[start:]


def jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, data) of a JPEG's segments before its pixels."""
    position = 2
    while content[position + 1] != 0xDA:
        length = struct.unpack_from(">H", content, position + 2)[0]
        yield content[position + 1], content[position + 4 : position + 2 + length]
        position += 2 + length


def _header(order: str) -> bytes:
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)

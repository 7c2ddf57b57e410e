"""PNG: pixels through libvips, metadata as chunks."""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures import exif, vips
from drujax.pictures.containers import png_colors
from drujax.pictures.holding import text_keywords
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Content, Described, Stored, Written, check_single, check_size, damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LOADING = {"unlimited": True}  # options of libvips
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# About the coding of the old file, or written anew.
REPLACED = (*PIXEL_CHUNKS, b"eXIf", b"iCCP", b"pHYs", b"hIST", b"acTL", b"fcTL", b"fdAT", b"iDOT")
# Kept, although their names mark them as unsafe to copy into edited pictures.
KEPT = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"sBIT", b"bKGD", b"tIME", b"sTER")
KEPT += (b"oFFs", b"pCAL", b"sCAL", b"sPLT", b"gIFg", b"gIFx")
CONTENT_CREDENTIALS = b"caBX"
XMP_KEYWORD = b"XML:com.adobe.xmp"
HOLDS = frozenset({"icc_profile", "exif", "xmp", "comments", "dpi", "chunks"})
INCH_PER_METRE = 0.0254
UNPACKED_LIMIT = 64 << 20  # bytes of a profile or XMP packet; larger ones are decompression bombs


def read(content: bytes) -> Stored:
    """Returns the picture of a PNG file. Raises UsageError."""
    return describe(content).with_samples(pixels(content))


def describe(content: Content) -> Described:
    """Returns what a PNG file holds beside its pixels. Raises UsageError; Several for an animation."""
    header, *chunks = _chunks(content)
    animation = dict(chunks).get(b"acTL", b"")
    check_single(int.from_bytes(animation[:4]) if animation else 1)
    return _described(header, chunks)


def describe_animation(content: Content) -> Described:
    """Returns what an animation holds beside its pixels. Raises UsageError."""
    header, *chunks = _chunks(content)
    return _described(header, [chunk for chunk in chunks if chunk[0] != b"fdAT"])


def _described(header: tuple[bytes, bytes], chunks: list[tuple[bytes, bytes]]) -> Described:
    if header[0] != b"IHDR" or len(header[1]) != 13:
        raise damaged("it does not begin with its header")
    check_size(*struct.unpack_from(">II", header[1]))
    return Described(*_metadata(header[1], chunks))


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the PNG file of `samples` with the metadata of `picture`."""
    encoded = vips.save("png", samples, **saving(deep=samples.dtype == np.uint16))
    file = io.BytesIO()
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    _add_metadata(io.BytesIO(encoded), file, metadata_chunks(channels, 8 * samples.dtype.itemsize, picture))
    return Written(file.getvalue())


def write_stream(
    image: Any, path: Path, described: Metadata, encoding: Mapping[str, Any], quality: int | None = None
) -> tuple[str, ...]:
    """Writes a lazy image to a PNG file; returns what is dropped. Raises UsageError."""
    deep = image.format == "ushort"
    with vips.saved("png", image, path, **saving(deep=deep)) as encoded, path.open("wb") as file:
        _add_metadata(encoded, file, metadata_chunks(image.bands, 16 if deep else 8, described))
    return ()


# ----- reading


def places(content: Content) -> Iterator[tuple[bytes, int, int]]:
    """Yields the name, start and end of each chunk up to the end of the picture; the last one may be truncated."""
    start = len(SIGNATURE)
    while start + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, start)
        end = start + length + 12
        yield name, start, end
        if name == b"IEND":
            return
        start = end


def _chunks(content: Content) -> list[tuple[bytes, bytes]]:
    """Returns the name and data of the whole chunks but for the coded pixels."""
    found = [
        (name, content[start + 8 : end - 4])
        for name, start, end in places(content)
        if end <= len(content) and name != b"IDAT"
    ]
    if not found:
        raise damaged("image file is truncated")
    return found


def pixels(content: bytes) -> np.ndarray:
    """Decodes the pixels, ignoring damage in chunks that do not affect them."""
    raw = [
        (name, content[start:end]) for name, start, end in places(content) if name in PIXEL_CHUNKS or name[:1].isupper()
    ]
    whole = SIGNATURE + b"".join(chunk for name, chunk in raw if name != b"IEND") + packed((b"IEND", b""))
    try:
        return vips.pixels(vips.load("png", whole, **LOADING))
    except UsageError as error:
        if any(zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]) for _, chunk in raw[:-1]):
            raise damaged("a checksum of its data is wrong") from error
        raise


def _metadata(header: bytes, chunks: list[tuple[bytes, bytes]]) -> tuple[Metadata, tuple[str, ...]]:
    blocks, kept, notes = {}, [], []
    for name, data in chunks:
        if name == b"eXIf":
            blocks["exif"] = exif.PREFIX + data.removeprefix(exif.PREFIX)
        elif name == b"iCCP":
            blocks["icc_profile"] = _unpacked(data.partition(b"\0")[2][1:])
            notes += ["the colour profile, which is damaged"] if blocks["icc_profile"] is None else []
        elif name == b"iTXt" and data.startswith(XMP_KEYWORD + b"\0"):
            blocks["xmp"] = _international_text(data)
            notes += ["XMP, which is damaged"] if blocks["xmp"] is None else []
        elif name == b"pHYs" and len(data) == 9 and data[8] == 1:
            across, down, _ = struct.unpack(">IIB", data)
            blocks["dpi"] = (across * INCH_PER_METRE, down * INCH_PER_METRE) if across and down else None
        elif name == b"pHYs" or (name not in REPLACED and (name in KEPT or name[3:].islower())):
            kept.append((name, data))
        elif name == CONTENT_CREDENTIALS:
            notes.append("content credentials, which an edited picture invalidates")
        elif name not in REPLACED:
            notes.append(f"PNG chunk {name.decode('latin-1')}")
    kept = png_colors.of_rgb(header, dict(chunks).get(b"PLTE", b""), kept)
    return Metadata(**blocks, chunks=tuple(kept)), tuple(notes)


def _international_text(data: bytes) -> bytes | None:
    """Returns the text of an iTXt chunk."""
    _, _, rest = data.partition(b"\0")
    packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _unpacked(text) if packed else text


def _unpacked(data: bytes) -> bytes | None:
    unpack = zlib.decompressobj()
    try:
        plain = unpack.decompress(data, UNPACKED_LIMIT)
    except zlib.error:
        return None
    return plain if unpack.eof else None


# ----- writing


def saving(*, deep: bool) -> dict[str, Any]:
    # At 16 bits one filter compresses noise and gradients as well as trying all of them.
    return {"compression": 6} | ({"filter": "up", "bitdepth": 16} if deep else {"filter": "all"})


def _add_metadata(encoded: io.BufferedIOBase, file: io.BufferedIOBase, chunks: list[tuple[bytes, bytes]]) -> None:
    """Copies the chunks of pixels, with others behind the header."""
    file.write(encoded.read(len(SIGNATURE)))
    while start := encoded.read(8):
        length, name = struct.unpack(">I4s", start)
        if name in PIXEL_CHUNKS:
            file.write(start + encoded.read(length + 4))
        else:
            encoded.seek(length + 4, io.SEEK_CUR)
        if name == b"IHDR":
            file.writelines(map(packed, chunks))


def packed(chunk: tuple[bytes, bytes]) -> bytes:
    """Returns a chunk, its name and data, as in the file: with its length and checksum."""
    body = chunk[0] + chunk[1]
    return struct.pack(">I", len(chunk[1])) + body + struct.pack(">I", zlib.crc32(body))


def metadata_chunks(channels: int, depth: int, picture: Metadata) -> list[tuple[bytes, bytes]]:
    """Returns the chunks of the metadata."""
    chunks = []
    if picture.icc_profile:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc_profile)))
    chunks += png_colors.of_kind(channels, depth, picture.chunks)
    if picture.dpi:
        across, down = (min(round(value / INCH_PER_METRE), 2**31 - 1) for value in picture.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if picture.exif:
        chunks.append((b"eXIf", picture.exif.removeprefix(exif.PREFIX)))
    if picture.xmp:
        chunks.append((b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + picture.xmp))
    if picture.comments and "Comment" not in text_keywords(picture.chunks):
        chunks += [_comment(comment) for comment in picture.comments]
    return chunks


def _comment(comment: bytes) -> tuple[bytes, bytes]:
    try:
        text = comment.decode("utf-8")
    except UnicodeDecodeError:
        text = comment.decode("latin-1")
    return b"iTXt", b"Comment\0\0\0\0\0" + text.replace("\0", "").encode("utf-8")

"""JPEG: pixels through libvips (4:2:2 is written by Pillow), metadata as segments."""

import io
import re
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import cmyk, exif, photoshop, vips
from drujax.pictures.containers import jpeg_quality
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Content, Described, Stored, Written, damaged

LOADING = {"fail_on": "truncated"}  # options of libvips
QUALITY = 95  # of pictures from other formats
LEAST = 75  # below, what brightening makes visible would get worse
HOLDS = frozenset({"icc_profile", "exif", "xmp", "xmp_extension", "photoshop", "comments", "dpi"})

EOI = b"\xff\xd9"
START_OF_SCAN, END_OF_IMAGE, COMMENT, APP0 = 0xDA, 0xD9, 0xFE, 0xE0
WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))  # an escaped byte of data, and markers that no segment follows
VIDEO = re.compile(rb"ftyp(mp4|isom|iso\d|qt  |avc|M4V)")
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
SAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # luma samples per chroma sample -> Pillow's number
HALF_AS_WIDE = 1  # 4:2:2
SEGMENT = 65533  # capacity of a segment in bytes

JFIF, EXIF, XMP = b"JFIF\0", b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"
XMP_EXTENSION, ICC = b"http://ns.adobe.com/xmp/extension/\0", b"ICC_PROFILE\0"
PHOTOSHOP = b"Photoshop 3.0\0"
ABOUT_CODING = (b"JFXX", b"Adobe", b"Ducky", b"FPXR")  # thumbnails, and the coding of the old file
FURTHER_PICTURES = b"MPF\0"
NOT_KEPT = {
    FURTHER_PICTURES: "the further pictures in the file (previews, depth or gain map)",
    b"JP": "content credentials, which an edited picture invalidates",
}


def read(content: bytes) -> Stored:
    """Returns the picture of a JPEG file. Raises UsageError."""
    described = describe(content)
    samples = _pixels(content)
    stored = described.with_samples(samples)
    return cmyk.to_rgb(stored) if samples.ndim == 3 and samples.shape[2] == 4 else stored


def describe(content: Content) -> Described:
    """Returns what a JPEG file holds beside its pixels. Raises UsageError."""
    segments = list(_segments(content))
    metadata, notes = _metadata(segments)
    marker, frame = next(((marker, data) for marker, data in segments if marker in FRAMES), (0, b""))
    if len(frame) < 6:
        raise damaged("image file is truncated" if not frame else "its frame header is too short")
    if frame[0] != 8 and marker != 0xC3:
        raise UsageError(f"a JPEG of {frame[0]} bits a sample, which is not supported; convert it to PNG or TIFF first")
    notes += _after_the_end(content) if NOT_KEPT[FURTHER_PICTURES] not in notes else ()
    encoding = {"subsampling": _subsampling(frame), "progressive": marker in PROGRESSIVE}
    tables = b"".join(data for marker, data in segments if marker == jpeg_quality.TABLES)
    encoding["quality"] = jpeg_quality.estimated(tables)
    return Described(metadata, notes, encoding=encoding)


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the JPEG file of `samples`, (h, w) or (h, w, 3), with the metadata of `picture`. Raises UsageError."""
    own = picture.encoding if picture.format == "JPEG" else {}
    encoded = _encoded(
        samples,
        _quality(own, quality),
        subsampling=own.get("subsampling", 0),
        progressive=own.get("progressive", False),
    )
    segments, dropped = _metadata_segments(picture)
    file = io.BytesIO()
    _add_metadata(io.BytesIO(encoded), file, segments)
    return Written(file.getvalue(), dropped)


def write_stream(
    image: Any, path: Path, described: Metadata, encoding: Mapping[str, Any], quality: int | None = None
) -> tuple[str, ...]:
    """Writes a lazy image, not of 4:2:2, to a JPEG file; returns what is dropped. Raises UsageError."""
    segments, dropped = _metadata_segments(described)
    options = _options(
        _quality(encoding, quality), subsampling=encoding["subsampling"], progressive=encoding["progressive"]
    )
    with vips.saved("jpeg", image, path, **options) as encoded, path.open("wb") as file:
        _add_metadata(encoded, file, segments)
    return dropped


# ----- reading


def _segments(content: Content) -> Iterator[tuple[int, bytes]]:
    """Yields (marker, data) up to the first scan, inclusive."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        (length,) = struct.unpack_from(">H", content, position + 2)
        yield marker, content[position + 4 : position + 2 + length]
        if marker == START_OF_SCAN:
            return
        position += 2 + length


def _after_the_end(content: Content) -> tuple[str, ...]:
    """Names what follows the picture in its file, such as the video of a motion photo."""
    rest = content[_end(content) :].strip(b"\0")
    if not rest:
        return ()
    return ("the video of a motion photo" if VIDEO.search(rest) else f"{len(rest)} bytes after the end of the picture",)


def _end(content: Content) -> int:
    """Returns the offset behind the end marker; without one, the size of the file."""
    position = 2
    while 0 <= (position := content.find(b"\xff", position)) < len(content) - 3:
        marker = content[position + 1]
        if marker == END_OF_IMAGE:
            return position + 2
        if marker == 0xFF:  # padding
            position += 1
        elif marker in WITHOUT_LENGTH:
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", content, position + 2)[0]
    return len(content)


def _pixels(content: bytes) -> np.ndarray:
    """Decodes the pixels, even if the end marker is missing."""
    try:
        return vips.pixels(vips.load("jpeg", content, **LOADING))
    except UsageError as error:
        if "truncated" not in str(error):
            raise
        try:  # libjpeg warns about an end marker in the middle of the data
            return vips.pixels(vips.load("jpeg", content + EOI, fail_on="warning"))
        except UsageError:
            raise error from None


def _subsampling(frame: bytes) -> int:
    factors = [divmod(value, 16) for value in frame[7::3]]
    rest = factors[1:3]
    return SAMPLINGS.get(factors[0], 0) if rest and all(factor == (1, 1) for factor in rest) else 0


def _metadata(segments: list[tuple[int, bytes]]) -> tuple[Metadata, tuple[str, ...]]:
    blocks, notes, extension, profile, resources, comments = {}, [], [], [], [], []
    for marker, data in segments:
        if marker == COMMENT:
            comments.append(data)
        elif not APP0 <= marker <= APP0 + 15 or data.startswith(ABOUT_CODING):
            continue
        elif data.startswith(JFIF) and marker == APP0:
            blocks["dpi"] = _jfif_resolution(data)
        elif data.startswith(EXIF):
            blocks.setdefault("exif", exif.PREFIX + data[6:])
        elif data.startswith(XMP):
            blocks.setdefault("xmp", data[len(XMP) :])
        elif data.startswith(XMP_EXTENSION):
            extension.append(data[len(XMP_EXTENSION) :])
        elif data.startswith(ICC):
            profile.append(data[len(ICC) :])
        elif data.startswith(PHOTOSHOP):
            resources.append(data[len(PHOTOSHOP) :])
        else:
            notes.append(_not_kept(marker, data))
    if profile:
        blocks["icc_profile"] = _joined(profile)
        notes += ["the colour profile, which is damaged"] if blocks["icc_profile"] is None else []
    if "exif" in blocks and not blocks.get("dpi"):
        blocks["dpi"] = exif.resolution_of(blocks["exif"])
    blocks["photoshop"] = photoshop.without_thumbnails(b"".join(resources))
    return Metadata(**blocks, xmp_extension=tuple(extension), comments=tuple(comments)), tuple(dict.fromkeys(notes))


def _jfif_resolution(data: bytes) -> tuple[float, float] | None:
    if len(data) < 12:
        return None
    unit, across, down = struct.unpack_from(">BHH", data, 7)
    scale = {1: 1.0, 2: 2.54}.get(unit)
    return (across * scale, down * scale) if scale and across and down else None


def _joined(parts: list[bytes]) -> bytes | None:
    """Joins the numbered parts of an ICC profile; None if one is missing."""
    numbered = {part[0]: part for part in parts if len(part) > 2}
    whole = numbered and len(numbered) == max(part[1] for part in numbered.values())
    return b"".join(numbered[key][2:] for key in sorted(numbered)) if whole else None


def _not_kept(marker: int, data: bytes) -> str:
    known = next((words for start, words in NOT_KEPT.items() if data.startswith(start)), None)
    name = re.match(rb"[\x20-\x7e]{2,}", data)
    return known or f"JPEG segment APP{marker - APP0}" + (f" ({name[0][:40].decode()})" if name else "")


# ----- writing


def _quality(encoding: Mapping[str, Any], asked: int | None) -> int:
    """Returns the quality to write: that asked for, or that of the file, at least LEAST, or QUALITY."""
    if asked is not None:
        return asked
    own = encoding.get("quality")
    return QUALITY if own is None else max(own, LEAST)


def _encoded(samples: np.ndarray, quality: int, *, subsampling: int, progressive: bool) -> bytes:
    """Encodes the file without metadata. libvips lacks 4:2:2; Pillow cannot write every progressive file (fixed
    buffer).
    """
    if subsampling != HALF_AS_WIDE:
        return vips.save("jpeg", samples, **_options(quality, subsampling=subsampling, progressive=progressive))
    for interlaced in (progressive, False):
        file = io.BytesIO()
        try:
            options = {"quality": quality, "subsampling": subsampling, "progressive": interlaced}
            Image.fromarray(samples).save(file, "JPEG", **options)
            return file.getvalue()
        except OSError as error:
            if not interlaced:
                raise UsageError(f"cannot be written as JPEG ({error})") from error
    raise AssertionError


def _options(quality: int, *, subsampling: int, progressive: bool) -> dict[str, Any]:
    return {"Q": quality, "interlace": progressive, "subsample_mode": "on" if subsampling else "off"}


def _add_metadata(encoded: io.BufferedIOBase, file: io.BufferedIOBase, segments: list[bytes]) -> None:
    """Copies a file, with segments in place of JFIF's, if it has that."""
    start = encoded.read(6)
    encoded.seek(4 + struct.unpack_from(">H", start, 4)[0] if start[3] == APP0 else 2)
    file.write(start[:2] + b"".join(segments))
    shutil.copyfileobj(encoded, file, 1 << 20)


def _jfif(dpi: tuple[float, float] | None) -> tuple[bytes, list[str]]:
    """Returns JFIF's segment, with the resolution in whole dots per inch."""
    across, down = map(round, dpi or (0, 0))
    fits = 0 < across < 65536 and 0 < down < 65536
    density = struct.pack(">BHH", 1, across, down) if fits else struct.pack(">BHH", 0, 1, 1)
    return _segment(APP0, JFIF + b"\1\1" + density + bytes(2)), (
        ["the resolution, which JPEG cannot hold"] if dpi and not fits else []
    )


def _metadata_segments(picture: Metadata) -> tuple[list[bytes], tuple[str, ...]]:
    """Returns the segments of the metadata, and what does not fit into segments."""
    jfif, dropped = _jfif(picture.dpi)
    segments = [jfif]
    block = picture.exif
    if block and len(block) <= SEGMENT:
        segments.append(_segment(APP0 + 1, block))
    elif block:
        dropped.append(f"EXIF, whose {len(block)} bytes are more than JPEG can hold")
    if picture.xmp and len(XMP + picture.xmp) <= SEGMENT:
        segments.append(_segment(APP0 + 1, XMP + picture.xmp))
        segments += [_segment(APP0 + 1, XMP_EXTENSION + part) for part in picture.xmp_extension]
    elif picture.xmp:
        dropped.append(f"XMP, whose {len(picture.xmp)} bytes are more than JPEG can hold")
    if picture.icc_profile:
        parts = _parts(picture.icc_profile, SEGMENT - len(ICC) - 2)
        if len(parts) < 256:
            counted = (bytes([index, len(parts)]) + part for index, part in enumerate(parts, 1))
            segments += [_segment(APP0 + 2, ICC + part) for part in counted]
        else:
            dropped.append("the colour profile, which is larger than JPEG can hold")
    segments += [
        _segment(APP0 + 13, PHOTOSHOP + part) for part in _parts(picture.photoshop or b"", SEGMENT - len(PHOTOSHOP))
    ]
    segments += [_segment(COMMENT, comment[:SEGMENT]) for comment in picture.comments]
    if any(len(comment) > SEGMENT for comment in picture.comments):
        dropped.append(f"the comment after its first {SEGMENT} bytes")
    return segments, tuple(dropped)


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]

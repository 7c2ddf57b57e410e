"""AVIF: 8 bits through Pillow, whose chroma upsampling is smoother (libvips repeats each sample of 4:2:0) and which
copies EXIF as it is; 10 and 12 bits, and lossless files, through libvips.
"""

import dataclasses
import io
import struct
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import color_profile, exif, vips
from drujax.pictures.containers import plain
from drujax.pictures.containers.depths import coded, sixteen_bits
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, check_single

HOLDS = frozenset({"icc_profile", "exif", "xmp"})
QUALITY = 90  # at which AVIF's errors are about those of JPEG's 95
DEEPEST = 12  # bits
COLORS = b"colrnclx"
CONFIGURATION = b"av1C"  # whose third byte has flags for monochrome, and chroma halved across and down
SUBSAMPLINGS = {0x00: "4:4:4", 0x08: "4:2:2", 0x0C: "4:2:0", 0x1C: "4:0:0"}
GREY = "4:0:0"
IDENTITY = 0  # matrix coefficients of RGB, by which encoders mark lossless files


def read(content: bytes) -> Stored:
    """Returns the picture of an AVIF file. Raises UsageError; Several for an animation."""
    image = vips.load("heif", content, unlimited=True)
    check_single(image.get("n-pages") if image.get_typeof("n-pages") else 1)
    depth = image.get("bits-per-sample")
    stored = plain.read(content, ("AVIF",)) if depth == 8 else _deep(image, depth)
    encoding = _encoding(content, depth)
    if encoding["subsampling"] == GREY and stored.samples.ndim == 3 and stored.samples.shape[2] > 2:
        samples = stored.samples[..., [0, 3] if stored.samples.shape[2] == 4 else 0]  # of equal channels
        stored = dataclasses.replace(stored, samples=samples)
    stored = dataclasses.replace(stored, encoding=encoding)
    if stored.metadata.icc_profile:
        return stored
    return dataclasses.replace(stored, metadata=dataclasses.replace(stored.metadata, chunks=_colors(content)))


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the AVIF file of `samples` with the metadata of `picture`; 16 bits become 12, or 10 as in its AVIF.

    Raises UsageError.
    """
    own = picture.encoding if picture.format == "AVIF" else {}
    lossless = quality is None and bool(own.get("lossless"))
    quality = QUALITY if quality is None else quality
    subsampling = own.get("subsampling", "4:4:4")
    if samples.ndim == 2 or samples.shape[2] == 2:
        subsampling = GREY
        samples = np.dstack([samples] * 3) if samples.ndim == 2 else samples[..., [0, 0, 0, 1]]
    elif subsampling == GREY:
        subsampling = "4:4:4"
    if samples.dtype == np.uint8 and not lossless:
        return _shallow(samples, picture, quality, subsampling)
    depth = own.get("depth", DEEPEST) if samples.dtype == np.uint16 else 8
    if samples.dtype == np.uint16:
        samples = coded(samples, depth)
    options: dict[str, Any] = {"lossless": True} if lossless else {"Q": quality}
    options["subsample_mode"] = "on" if subsampling == "4:2:0" and not lossless else "off"
    image = vips.interpreted(vips.library().Image.new_from_array(np.ascontiguousarray(samples)))
    named = (("exif-data", picture.exif), ("icc-profile-data", picture.icc_profile), ("xmp-data", picture.xmp))
    for name, data in named:
        if data:
            image.set_type(vips.library().GValue.blob_type, name, data)
    try:
        content = image.heifsave_buffer(compression="av1", bitdepth=depth, keep="all", **options)
    except vips.library().Error as error:
        raise UsageError(f"cannot be written as AVIF ({vips.reason(error)})") from error
    lost = f"the lowest {16 - depth} of its 16 bits a channel"
    return Written(content, (lost,) if depth > 8 and picture.format not in ("AVIF", "HEIF") else ())


def _encoding(content: bytes, depth: int) -> dict[str, Any]:
    at = content.find(CONFIGURATION)
    flags = content[at + 6] if 0 <= at < len(content) - 6 else 0
    colors = content.find(COLORS)
    matrix = int.from_bytes(content[colors + 12 : colors + 14]) if colors >= 0 else None
    return {"depth": depth, "subsampling": SUBSAMPLINGS.get(flags & 0x1C, "4:4:4"), "lossless": matrix == IDENTITY}


def _shallow(samples: np.ndarray, picture: Picture, quality: int, subsampling: str) -> Written:
    own = {"exif": picture.exif, "icc_profile": picture.icc_profile, "xmp": picture.xmp}
    metadata = {name: data for name, data in own.items() if data}
    file, dropped = io.BytesIO(), ()
    image = Image.fromarray(samples)
    try:
        try:
            image.save(file, "AVIF", quality=quality, subsampling=subsampling, **metadata)
        except SyntaxError:  # Pillow reads EXIF, of which it wants the orientation
            del metadata["exif"]
            dropped = ("EXIF, which is damaged",)
            image.save(file, "AVIF", quality=quality, subsampling=subsampling, **metadata)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as AVIF ({error})") from error
    return Written(file.getvalue(), dropped)


def _deep(image: Any, depth: int) -> Stored:
    """Reads a picture of more than 8 bits, which libvips has turned upright."""
    block, profile, xmp = (_blob(image, name) for name in ("exif-data", "icc-profile-data", "xmp-data"))
    block = exif.PREFIX + block.removeprefix(exif.PREFIX) if block else None
    metadata = Metadata(exif=block, icc_profile=profile, xmp=xmp)
    return Stored(sixteen_bits(vips.pixels(image), depth), metadata, orientation=1)


def _blob(image: Any, name: str) -> bytes | None:
    return bytes(image.get(name)) if image.get_typeof(name) else None


def _colors(content: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the colours that the file declares without a profile, as PNG's equivalent chunk cICP."""
    at = content.find(COLORS)
    if at < 0 or at + 14 > len(content):
        return ()
    return color_profile.declared(*struct.unpack_from(">HH", content, at + len(COLORS)))

"""AVIF: 8 bits through Pillow, whose chroma upsampling is smoother (libvips repeats each sample of 4:2:0) and which
copies EXIF as it is; 10 and 12 bits, and lossless files, through libvips.

Image sequences are read and written by Pillow, which has 8 bits of them; their times are in `avif_movie`.
"""

import dataclasses
import io
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures import color_profile, exif, vips
from drujax.pictures.containers import avif_movie, plain
from drujax.pictures.containers.depths import LOWER_HALF, coded, eight_bits, sixteen_bits
from drujax.pictures.containers.frames import Animation
from drujax.pictures.picture import Metadata, Picture
from drujax.pictures.stored import Stored, Written, check_single

HOLDS = frozenset({"icc_profile", "exif", "xmp"})
QUALITY = 90  # at which AVIF's errors are about those of JPEG's 95
DEEPEST = 12  # bits
COLORS = b"colrnclx"
CONFIGURATION = b"av1C"  # whose third byte has flags for depth, monochrome, and chroma halved across and down
DEPTHS = {0x00: 8, 0x40: 10, 0x60: 12}
SUBSAMPLINGS = {0x00: "4:4:4", 0x08: "4:2:2", 0x0C: "4:2:0", 0x1C: "4:0:0"}
GREY = "4:0:0"
IDENTITY = 0  # matrix coefficients of RGB, by which encoders mark lossless files
BESIDE = "the image sequence beside the still picture"
MILLISECONDS = 1000  # a second
LONGEST = 2**32 - 1  # units of time that a frame lasts


def read(content: bytes) -> Stored:
    """Returns the picture of an AVIF file. Raises UsageError; Several for an animation."""
    if avif_movie.is_sequence(content):
        check_single(plain.frames_in(content, "AVIF"))
    image = vips.load("heif", content, unlimited=True)
    check_single(image.get("n-pages") if image.get_typeof("n-pages") else 1)
    depth = image.get("bits-per-sample")
    stored = plain.read(content, ("AVIF",)) if depth == 8 else _deep(image, depth)
    if avif_movie.has_movie(content) and not avif_movie.is_sequence(content):
        stored = dataclasses.replace(stored, notes=(BESIDE,))
    return _described(stored, content, depth)


def read_animation(content: bytes) -> tuple[Animation, Callable[[], Iterator[Stored]]]:
    """Returns the times of the frames, and what yields them. Raises UsageError."""
    description = avif_movie.description(content)
    depth = DEPTHS.get(_flags(description) & 0x60, 8)
    first = _described(plain.read(content, ("AVIF",), animated=True), description, depth)
    if depth > 8:
        first = dataclasses.replace(first, notes=(f"the lowest {depth - 8} of its {depth} bits a channel",))
    durations, plays = avif_movie.times(content, plain.frames_in(content, "AVIF"))

    def stored() -> Iterator[Stored]:
        for samples in plain.frames(content, "AVIF"):
            yield dataclasses.replace(first, samples=_channels(samples, first.encoding))

    return Animation(first.samples.shape[1::-1], durations, plays), stored


def write(samples: np.ndarray, picture: Picture, quality: int | None = None) -> Written:
    """Returns the AVIF file of `samples` with the metadata of `picture`; 16 bits become 12, or 10 as in its AVIF.

    Raises UsageError.
    """
    own = picture.encoding if picture.format == "AVIF" else {}
    lossless = quality is None and bool(own.get("lossless"))
    quality = QUALITY if quality is None else quality
    samples, subsampling = _colored(samples, own)
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


def write_animation(
    path: Path, frames: Iterator[np.ndarray], described: Picture, animation: Animation, quality: int | None = None
) -> tuple[str, ...]:
    """Writes frames (h, w) or (h, w, c), all of one kind; 16 bits become 8. Raises UsageError."""
    own = described.encoding if described.format == "AVIF" else {}
    lossless = quality is None and bool(own.get("lossless"))
    dropped = ("lossless coding",) if lossless else ()
    scale = _time_scale(animation)
    subsampling = ""

    def images() -> Iterator[Image.Image]:
        nonlocal subsampling, dropped
        for samples in frames:
            if samples.dtype == np.uint16:
                samples, dropped = eight_bits(samples), (*dropped, LOWER_HALF)
            samples, subsampling = _colored(samples, own)
            yield Image.fromarray(samples)

    played = _Frames(images())  # makes the first one, so that the subsampling is known
    ticks = [round(duration * scale) for duration in animation.durations]
    quality = (100 if lossless else QUALITY) if quality is None else quality
    content, lost = _saved(played, described, quality, subsampling, save_all=True, duration=ticks)
    path.write_bytes(avif_movie.with_times(content, scale, animation.plays))
    return (*dropped, *lost)


class _Frames(Image.Image):
    """Frames that are made when Pillow's writer comes to them, so that memory holds one."""

    is_animated = True

    def __init__(self, images: Iterator[Image.Image]):
        super().__init__()
        self._images, self._number = images, -1
        self.seek(0)

    def tell(self) -> int:
        return self._number

    def seek(self, frame: int) -> None:
        if frame <= self._number:  # the first one again, before the writer begins and when it has ended
            return
        image = next(self._images, None)
        if image is None:
            raise EOFError
        self.im, self._mode, self._size, self._number = image.im, image.mode, image.size, frame


def _time_scale(animation: Animation) -> int:
    """Returns units a second of which each duration is a whole number; of odd durations, milliseconds."""
    scale = math.lcm(MILLISECONDS, *(duration.denominator for duration in animation.durations))
    return scale if scale * max(1, *animation.durations) <= LONGEST else MILLISECONDS


def _described(stored: Stored, content: bytes, depth: int) -> Stored:
    """Adds what the boxes in `content` say about coding and colours."""
    encoding = _encoding(content, depth)
    stored = dataclasses.replace(stored, samples=_channels(stored.samples, encoding), encoding=encoding)
    if stored.metadata.icc_profile:
        return stored
    return dataclasses.replace(stored, metadata=dataclasses.replace(stored.metadata, chunks=_colors(content)))


def _channels(samples: np.ndarray, encoding: Mapping[str, Any]) -> np.ndarray:
    """Returns the samples that the file has: of grey ones, a single colour channel."""
    if encoding["subsampling"] == GREY and samples.ndim == 3 and samples.shape[2] > 2:
        return samples[..., [0, 3] if samples.shape[2] == 4 else 0]
    return samples


def _colored(samples: np.ndarray, own: Mapping[str, Any]) -> tuple[np.ndarray, str]:
    """Returns samples with three colour channels, and the subsampling to write: that of an AVIF, and grey as grey."""
    subsampling = own.get("subsampling", "4:4:4")
    if samples.ndim == 2 or samples.shape[2] == 2:
        return np.dstack([samples] * 3) if samples.ndim == 2 else samples[..., [0, 0, 0, 1]], GREY
    return samples, "4:4:4" if subsampling == GREY else subsampling


def _flags(content: bytes) -> int:
    """Returns the flags of the first configuration; none, as of 8 bits in 4:4:4, without one."""
    at = content.find(CONFIGURATION)
    return content[at + 6] if 0 <= at < len(content) - 6 else 0


def _encoding(content: bytes, depth: int) -> dict[str, Any]:
    colors = content.find(COLORS)
    matrix = int.from_bytes(content[colors + 12 : colors + 14]) if colors >= 0 else None
    return {
        "depth": depth,
        "subsampling": SUBSAMPLINGS.get(_flags(content) & 0x1C, "4:4:4"),
        "lossless": matrix == IDENTITY,
    }


def _shallow(samples: np.ndarray, picture: Picture, quality: int, subsampling: str) -> Written:
    return Written(*_saved(Image.fromarray(samples), picture, quality, subsampling))


def _saved(
    image: Image.Image, described: Metadata, quality: int, subsampling: str, **options: Any
) -> tuple[bytes, tuple[str, ...]]:
    """Returns the file that Pillow writes, and what it drops. Raises UsageError."""
    own = {"exif": described.exif, "icc_profile": described.icc_profile, "xmp": described.xmp}
    options |= {name: data for name, data in own.items() if data}
    file, dropped = io.BytesIO(), ()
    try:
        try:
            image.save(file, "AVIF", quality=quality, subsampling=subsampling, **options)
        except (SyntaxError, TypeError):  # Pillow reads EXIF, of which it wants the orientation
            del options["exif"]
            dropped = ("EXIF, which is damaged",)
            image.save(file, "AVIF", quality=quality, subsampling=subsampling, **options)
    except UsageError:  # of a frame
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be written as AVIF ({error})") from error
    return file.getvalue(), dropped


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

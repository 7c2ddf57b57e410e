"""Animated PNG: each frame is a PNG of its own, through libvips, so that 16 bits a channel are kept."""

import itertools
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from drujax.pictures import vips
from drujax.pictures.containers import png
from drujax.pictures.containers.frames import Animation, Rectangle, changed
from drujax.pictures.picture import Metadata
from drujax.pictures.stored import Stored, damaged

HOLDS = png.HOLDS
CONTROL = struct.Struct(">5I2H2B")  # number, width, height, left, top, delay (a fraction), disposal, blending
BACKGROUND, PREVIOUS = 1, 2  # disposals: clear the part, or restore what was there
OVER = 1  # blending: over what is there
TRANSPARENT = (4, 6)  # colour types with alpha
STILL = "the still picture for viewers without animation"
LARGEST = 65535  # of a delay's numerator and denominator


class _Part(NamedTuple):
    """A frame as it is stored: where, how, and its coded pixels."""

    place: Rectangle
    duration: Fraction
    disposal: int
    blending: int
    data: bytes


def read_animation(content: bytes) -> tuple[Animation, Callable[[], Iterator[Stored]]]:
    """Returns the times of the frames, and what yields them. Raises UsageError."""
    described = png.describe_animation(content)
    chunks = [(name, content[start + 8 : end - 4]) for name, start, end in png.places(content) if end <= len(content)]
    header = chunks[0][1]
    size = struct.unpack_from(">II", header)
    parts, still = _parts(chunks, size)
    (count, plays) = struct.unpack(">II", dict(chunks)[b"acTL"])
    if len(parts) < count:
        raise damaged("image file is truncated")
    notes = (STILL,) if still else ()
    opaque = header[9] not in TRANSPARENT and b"tRNS" not in dict(chunks)
    opaque = opaque and all(part.disposal != BACKGROUND for part in parts)
    colors = b"".join(png.packed(chunk) for chunk in chunks if chunk[0] in (b"PLTE", b"tRNS"))

    def stored() -> Iterator[Stored]:
        grey = header[9] in (0, 4)
        for samples in _composed(parts, size, header, colors):
            kept = samples[..., :3] if opaque else samples
            kept = kept[..., [0, *range(3, kept.shape[2])]] if grey else kept
            yield described.with_samples(kept[..., 0] if kept.shape[2] == 1 else kept, notes)

    return Animation(size, tuple(part.duration for part in parts), plays), stored


def write_animation(
    path: Path, frames: Iterator[np.ndarray], described: Metadata, animation: Animation, quality: int | None = None
) -> tuple[str, ...]:
    """Writes frames (h, w) or (h, w, c), all of one kind, each as the part that changes. Raises UsageError."""
    numbers, before = itertools.count(), None
    with path.open("wb") as file:
        for samples, duration in zip(frames, animation.durations, strict=True):
            place = changed(before, samples)
            header, data = _coded(place.of(samples))
            if before is None:
                channels = 1 if samples.ndim == 2 else samples.shape[2]
                chunks = png.metadata_chunks(channels, 8 * samples.dtype.itemsize, described)
                file.write(png.SIGNATURE + png.packed((b"IHDR", header)))
                file.writelines(map(png.packed, chunks))
                file.write(png.packed((b"acTL", struct.pack(">II", len(animation.durations), animation.plays))))
            delay = _delay(duration)
            control = CONTROL.pack(next(numbers), place.width, place.height, place.left, place.top, *delay, 0, 0)
            file.write(png.packed((b"fcTL", control)))
            if before is None:
                file.write(png.packed((b"IDAT", data)))
            else:
                file.write(png.packed((b"fdAT", struct.pack(">I", next(numbers)) + data)))
            before = samples
        file.write(png.packed((b"IEND", b"")))
    return ()


# ----- reading


def _parts(chunks: list[tuple[bytes, bytes]], size: tuple[int, int]) -> tuple[list[_Part], bool]:
    """Returns the frames, and whether there is a picture before them that is none. Raises UsageError."""
    parts: list[_Part] = []
    still = False
    for name, data in chunks:
        if name == b"fcTL":
            if len(data) != CONTROL.size:
                raise damaged("the header of a frame is too short")
            _, width, height, left, top, over, under, disposal, blending = CONTROL.unpack(data)
            if not (width and height and left + width <= size[0] and top + height <= size[1]):
                raise damaged("a frame is outside of the canvas")
            place = Rectangle(left, top, width, height)
            parts.append(_Part(place, Fraction(over, under or 100), disposal, blending, b""))
        elif name == b"IDAT" and not parts:
            still = True
        elif name in (b"IDAT", b"fdAT") and parts:
            parts[-1] = parts[-1]._replace(data=parts[-1].data + (data if name == b"IDAT" else data[4:]))
    return parts, still


def _composed(parts: list[_Part], size: tuple[int, int], header: bytes, colors: bytes) -> Iterator[np.ndarray]:
    """Yields whole frames (h, w, 4)."""
    canvas = None
    for number, part in enumerate(parts):
        own = struct.pack(">II", part.place.width, part.place.height) + header[8:]
        file = png.SIGNATURE + png.packed((b"IHDR", own)) + colors + png.packed((b"IDAT", part.data))
        samples = _rgba(png.pixels(file + png.packed((b"IEND", b""))))
        if canvas is None:
            canvas = np.zeros((size[1], size[0], 4), samples.dtype)
        seen = part.place.of(canvas)
        before = seen.copy()
        seen[:] = _over(samples, seen) if part.blending == OVER else samples
        yield canvas.copy()
        if part.disposal == BACKGROUND or (part.disposal == PREVIOUS and number == 0):
            seen[:] = 0
        elif part.disposal == PREVIOUS:
            seen[:] = before


def _rgba(samples: np.ndarray) -> np.ndarray:
    samples = samples.reshape(*samples.shape[:2], -1)
    channels = samples.shape[2]
    colors = np.broadcast_to(samples[..., :1], (*samples.shape[:2], 3)) if channels < 3 else samples[..., :3]
    full = np.full((*samples.shape[:2], 1), np.iinfo(samples.dtype).max, samples.dtype)
    return np.concatenate([colors, samples[..., -1:] if channels in (2, 4) else full], -1)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Returns straight-alpha samples over others; exact where either is fully opaque or transparent."""
    top = np.iinfo(above.dtype).max
    a, b = (samples[..., 3:] / top for samples in (above, below))
    alpha = a + b * (1 - a)
    colors = (above[..., :3] * a + below[..., :3] * b * (1 - a)) / np.maximum(alpha, 1e-9)
    mixed = np.rint(np.concatenate([colors, alpha * top], -1)).astype(above.dtype)
    return np.where(above[..., 3:] == 0, below, np.where(below[..., 3:] == 0, above, mixed))


# ----- writing


def _coded(samples: np.ndarray) -> tuple[bytes, bytes]:
    """Returns the header and the coded pixels of a PNG."""
    content = vips.save("png", samples, **png.saving(deep=samples.dtype == np.uint16))
    chunks = [(name, content[start + 8 : end - 4]) for name, start, end in png.places(content)]
    return chunks[0][1], b"".join(data for name, data in chunks if name == b"IDAT")


def _delay(duration: Fraction) -> tuple[int, int]:
    """Returns a duration as a fraction of two 16-bit numbers."""
    fraction = min(duration, Fraction(LARGEST)).limit_denominator(1000)
    while fraction.numerator > LARGEST:
        fraction = fraction.limit_denominator(fraction.denominator // 2)
    return fraction.numerator, fraction.denominator

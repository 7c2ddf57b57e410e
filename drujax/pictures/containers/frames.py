"""Frames of animations: their times, reading them through libvips, and the part of a frame that changes."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from drujax.pictures import vips
from drujax.pictures.stored import damaged


class Animation(NamedTuple):
    """Times and repetition.

    Attributes:
        size: width and height of the canvas in pixels.
        durations: how long each frame is shown, in seconds; 0 is as the viewer decides.
        plays: how often the animation is shown; 0 for ever.
    """

    size: tuple[int, int]
    durations: tuple[Fraction, ...]
    plays: int


class Rectangle(NamedTuple):
    """A part of the canvas."""

    left: int
    top: int
    width: int
    height: int

    def of(self, samples: np.ndarray) -> np.ndarray:
        """The samples in it."""
        return samples[self.top : self.top + self.height, self.left : self.left + self.width]


def animation_of(loader: str, content: bytes, *, plays: int) -> Animation:
    """Returns the times of what libvips's `loader` finds in a file. Raises UsageError."""
    image = vips.load(loader, content, n=1)
    delays = image.get("delay") if image.get_typeof("delay") else []
    count = image.get("n-pages") if image.get_typeof("n-pages") else 1
    delays = [*delays, *[0] * count][:count]
    return Animation((image.width, image.height), tuple(Fraction(delay, 1000) for delay in delays), plays)


def frames_of(loader: str, content: bytes) -> Iterator[np.ndarray]:
    """Yields the frames (h, w, 3 | 4) as libvips composes them, all with alpha or none. Raises UsageError."""
    image = vips.load(loader, content, n=-1)
    height = image.get("page-height") if image.get_typeof("page-height") else image.height
    image = vips.library().Image.colourspace(image, "srgb") if image.bands < 3 else image
    region = vips.library().Region.new(image)
    for top in range(0, image.height, height):
        try:
            buffer = region.fetch(0, top, image.width, height)
        except vips.library().Error as error:
            raise damaged(vips.reason(error)) from error
        yield np.frombuffer(buffer, np.uint8).reshape(height, image.width, image.bands)


def changed(before: np.ndarray | None, after: np.ndarray, *, even: bool = False) -> Rectangle:
    """Returns the smallest rectangle outside of which two frames are equal, at least one pixel; with `even` offsets."""
    height, width = after.shape[:2]
    if before is None:
        return Rectangle(0, 0, width, height)
    differ = before != after
    differ = differ.any(-1) if differ.ndim == 3 else differ
    rows, columns = np.flatnonzero(differ.any(1)), np.flatnonzero(differ.any(0))
    if not rows.size:
        return Rectangle(0, 0, 1, 1)
    top, left = int(rows[0]), int(columns[0])
    if even:
        top, left = top - top % 2, left - left % 2
    return Rectangle(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)

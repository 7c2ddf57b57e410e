"""Shots: where a film is cut, from the change of its luma between frames."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from drujax.pictures import vips
from drujax.pictures.resampling import resized

SIZE = (64, 36)  # width and height of the thumbnails
DARKEST = 8.0  # levels added to the brightness by which a change is divided
CHANGE = 0.15  # mean absolute difference over mean brightness, at least, of a cut
PROMINENCE = 2.5  # times the largest change nearby: pans and moving characters change every frame or every third
NEARBY = 4  # frames on each side
EARLIER, LATER = 2 * NEARBY + 1, NEARBY  # frames on which it depends whether a frame is the first of a shot

Thumbnail = UInt8[np.ndarray, "_ _"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Shot:
    """The frames from `first` to `last`, by number."""

    first: int
    last: int

    def middles(self, longest: float) -> list[int]:
        """Returns the frame in the middle of each of the equal parts of at most `longest` frames."""
        length = self.last - self.first + 1
        parts = max(1, int(np.ceil(length / longest)))
        return [self.first + int((2 * part + 1) * length / (2 * parts)) for part in range(parts)]


def find_shots(frames: Iterable[tuple[int, Any]]) -> list[Shot]:
    """Divides a film into shots at its hard cuts. A flash is not a cut; fades and dissolves are not found.

    A few black frames between two shots belong to the first.

    Args:
        frames: numbers, ascending, and frames of PyAV; not necessarily all of the film.
    """
    starts: list[int] = []
    number = None
    for number, first in with_cuts((number, thumbnail(frame)) for number, frame in frames):
        if first:
            starts.append(number)
    if number is None:
        return []
    # Frames that were left out belong to the shot before: the first frame of a shot is rarely among them.
    return [
        Shot(start, last) for start, last in zip(starts, [*(start - 1 for start in starts[1:]), number], strict=True)
    ]


def with_cuts(frames: Iterable[tuple[T, Thumbnail]]) -> Iterator[tuple[T, bool]]:
    """Yields each frame, and whether it is the first of a shot; `LATER` frames after it was taken.

    A decision depends on the `EARLIER` frames before and the `LATER` ones after, and on no others.

    Args:
        frames: anything, with its thumbnail.
    """
    detector = _Detector()
    waiting: collections.deque[T] = collections.deque()
    count = 0
    for item, small in frames:
        waiting.append(item)
        detector.add(small)
        count += 1
        if count > LATER:
            yield waiting.popleft(), detector.is_first(count - 1 - LATER)
    for position in range(count - len(waiting), count):
        yield waiting.popleft(), detector.is_first(position)


class _Detector:
    """The changes between the last frames, each at the position of the frame after it."""

    def __init__(self) -> None:
        self._count = 0
        self._before: Thumbnail | None = None
        self._changes: dict[int, float] = {}
        self._large: dict[int, Thumbnail] = {}  # position of a large change -> the frame before it
        self._gaps: dict[tuple[int, int], float] = {}  # two large changes close to each other -> the change over both

    def add(self, small: Thumbnail) -> None:
        position = self._count
        self._count += 1
        if self._before is not None:
            self._changes[position] = _change(self._before, small)
            if self._changes[position] > CHANGE:
                near = {start: picture for start, picture in self._large.items() if start >= position - NEARBY}
                self._gaps |= {(start, position): _change(picture, small) for start, picture in near.items()}
                self._large = near | {position: self._before}
        self._before = small
        oldest = position - EARLIER - LATER
        self._changes.pop(oldest, None)
        self._gaps = {pair: over for pair, over in self._gaps.items() if pair[0] > oldest}

    def is_first(self, position: int) -> bool:
        """Whether a cut is before the frame at a position.

        That is, whether its change is large, and larger than those nearby. Of two that stand out together the second is
        a cut, unless what follows it looks like what was before the first, as after a flash.
        """
        if position == 0:
            return True
        if self._changes[position] > CHANGE and self._stand_out(position):
            return True
        doubles = (pair for pair, over in self._gaps.items() if pair[1] == position and over > CHANGE)
        return any(self._stand_out(*pair) for pair in doubles)

    def _stand_out(self, *positions: int) -> bool:
        """Whether changes are larger than all others nearby."""
        near = range(positions[0] - NEARBY, positions[-1] + NEARBY + 1)
        others = (self._changes[n] for n in near if n in self._changes and n not in positions)
        return min(self._changes[n] for n in positions) > PROMINENCE * max(others, default=0.0)


def thumbnail(frame: Any) -> Thumbnail:
    """Returns a small grey copy of a frame of PyAV."""
    width, height = SIZE
    return frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()


def thumbnail_of(grey: Float[np.ndarray, "h w"]) -> Thumbnail:
    """Returns a small copy of a grey picture in 0..1."""
    width, height = SIZE
    small = resized(vips.of_array(np.ascontiguousarray(grey, np.float32)), height, width)
    return (vips.pixels(small).reshape(height, width) * 255).clip(0, 255).round().astype(np.uint8)


def _change(before: Thumbnail, after: Thumbnail) -> float:
    """Mean absolute difference, relative to the brightness, so that cuts between nights are found."""
    one, other = before.astype(np.float32), after.astype(np.float32)
    return float(np.abs(one - other).mean() / ((one.mean() + other.mean()) / 2 + DARKEST))

"""Shots: where a film is cut, from the change of its luma between frames."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

SIZE = (64, 36)  # width and height of the thumbnails
DARKEST = 8.0  # levels added to the brightness by which a change is divided
CHANGE = 0.15  # mean absolute difference over mean brightness, at least, of a cut
PROMINENCE = 2.5  # times the largest change nearby: pans and moving characters change every frame or every third
NEARBY = 4  # frames on each side

Thumbnail = UInt8[np.ndarray, "h w"]


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
    numbers: list[int] = []
    changes: list[float] = []
    gaps: dict[tuple[int, int], float] = {}  # two large changes close to each other -> the change over both
    before = None
    large: collections.deque[tuple[int, Thumbnail]] = collections.deque()  # the last ones, with the frame before each
    for number, frame in frames:
        thumbnail = _thumbnail(frame)
        if before is not None:
            position = len(changes)
            changes.append(_change(before, thumbnail))
            while large and large[0][0] < position - NEARBY:
                large.popleft()
            if changes[-1] > CHANGE:
                gaps |= {(earlier, position): _change(picture, thumbnail) for earlier, picture in large}
                large.append((position, before))
        numbers.append(number)
        before = thumbnail
    if not numbers:
        return []
    starts = [0, *(cut + 1 for cut in _cuts(np.array(changes), gaps))]
    ends = [*(start - 1 for start in starts[1:]), len(numbers) - 1]
    # Frames that were left out belong to the shot before: the first frame of a shot is rarely among them.
    lasts = [*(numbers[end + 1] - 1 for end in ends[:-1]), numbers[-1]]
    return [Shot(numbers[start], last) for start, last in zip(starts, lasts, strict=True)]


def _thumbnail(frame: Any) -> Thumbnail:
    width, height = SIZE
    return frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()


def _change(before: Thumbnail, after: Thumbnail) -> float:
    """Mean absolute difference, relative to the brightness, so that cuts between nights are found."""
    one, other = before.astype(np.float32), after.astype(np.float32)
    return float(np.abs(one - other).mean() / ((one.mean() + other.mean()) / 2 + DARKEST))


def _cuts(changes: Float[np.ndarray, " n"], gaps: Mapping[tuple[int, int], float]) -> list[int]:
    """Returns the positions of changes that are large, and larger than those nearby.

    Of two that stand out together the second is a cut, unless what follows it looks like what was before the first, as
    after a flash.
    """
    single = {position for position in np.flatnonzero(changes > CHANGE).tolist() if _stand_out(changes, position)}
    double = {end for (start, end), over in gaps.items() if over > CHANGE and _stand_out(changes, start, end)}
    return sorted(single | double)


def _stand_out(changes: Float[np.ndarray, " n"], *positions: int) -> bool:
    """Whether changes are larger than all others nearby."""
    start = max(0, positions[0] - NEARBY)
    others = np.delete(changes[start : positions[-1] + NEARBY + 1], [position - start for position in positions])
    return bool(changes[list(positions)].min() > PROMINENCE * others.max(initial=0))

"""Shots: where a film is cut, from the change of its luma between frames."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

SIZE = (64, 36)  # width and height of the thumbnails
DARKEST = 8.0  # levels added to the brightness by which a change is divided
CHANGE = 0.15  # mean absolute difference over mean brightness, at least, of a cut
PROMINENCE = 2.5  # times the largest change nearby: pans and moving characters change every frame or every third
NEARBY = 4  # frames on each side


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

    Args:
        frames: numbers, ascending, and frames of PyAV; not necessarily all of the film.
    """
    numbers: list[int] = []
    changes: list[float] = []
    before = None
    for number, frame in frames:
        thumbnail = _thumbnail(frame)
        if before is not None:
            changes.append(_change(before, thumbnail))
        numbers.append(number)
        before = thumbnail
    if not numbers:
        return []
    starts = [0, *(cut + 1 for cut in _cuts(np.array(changes)))]
    ends = [*(start - 1 for start in starts[1:]), len(numbers) - 1]
    # Frames that were left out belong to the shot before: the first frame of a shot is rarely among them.
    lasts = [*(numbers[end + 1] - 1 for end in ends[:-1]), numbers[-1]]
    return [Shot(numbers[start], last) for start, last in zip(starts, lasts, strict=True)]


def _thumbnail(frame: Any) -> UInt8[np.ndarray, "h w"]:
    width, height = SIZE
    return frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()


def _change(before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"]) -> float:
    """Mean absolute difference, relative to the brightness, so that cuts between nights are found."""
    one, other = before.astype(np.float32), after.astype(np.float32)
    return float(np.abs(one - other).mean() / ((one.mean() + other.mean()) / 2 + DARKEST))


def _cuts(changes: Float[np.ndarray, " n"]) -> list[int]:
    """Returns the positions of changes that are large, and larger than those nearby."""
    padded = np.pad(changes, NEARBY)
    nearby = np.stack([padded[i : i + len(changes)] for i in range(2 * NEARBY + 1) if i != NEARBY])
    return np.flatnonzero((changes > CHANGE) & (changes > PROMINENCE * nearby.max(axis=0, initial=0))).tolist()

"""Segments: the coded frames of a film in files, each with all that is needed to go on after it.

A segment is a run of frames, coded by an encoder of its own; so it begins with a keyframe, and its bytes depend on no
other segment.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from drujax.films.encoding import Coded
from drujax.runtime.atomic_write import replacing

STATE = "state_"


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.npz"


def write_segment(path: Path, coded: Sequence[Coded], state: Mapping[str, np.ndarray]) -> None:
    """Writes coded frames in the order in which they are stored, and the light's state after them."""
    content = {
        "pts": np.array([frame.pts for frame in coded], np.int64),
        "duration": np.array([frame.duration for frame in coded], np.int64),
        "key": np.array([frame.key for frame in coded]),
        "size": np.array([len(frame.data) for frame in coded], np.int64),
        "data": np.frombuffer(b"".join(frame.data for frame in coded), np.uint8),
    }
    content |= {f"{STATE}{name}": array for name, array in state.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Returns the light's state after a segment."""
    with np.load(path) as content:
        return {name.removeprefix(STATE): content[name] for name in content.files if name.startswith(STATE)}


def read_segment(path: Path) -> Iterator[Coded]:
    """Yields the coded frames of a segment."""
    with np.load(path) as content:
        data, pts, duration, key = content["data"], content["pts"], content["duration"], content["key"]
        ends = np.cumsum(content["size"])
    for place, end in enumerate(ends.tolist()):
        start = 0 if place == 0 else int(ends[place - 1])
        yield Coded(int(pts[place]), int(duration[place]), bool(key[place]), data[start:end].tobytes())


def read_times(path: Path) -> np.ndarray:
    """Returns the times of a segment's frames in the order in which they are stored."""
    with np.load(path) as content:
        return content["pts"]

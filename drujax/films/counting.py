"""Frames of a film whose timeline is not known: everything is decoded from the beginning and counted."""

import collections
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av

from drujax.films.opening import open_film
from drujax.films.timeline import REORDERED


class Counting:
    """Decodes frames by number, and sweeps over all.

    Args:
        path: the film.
    """

    length = None  # not known without decoding

    def __init__(self, path: Path):
        self._path = path
        self.damage: str | None = None  # why frames are missing at the end, once they were found to be

    def close(self) -> None:
        pass

    def frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Yields the number and the frame (of PyAV), or a reason why it cannot be read, of ascending `numbers`."""
        left, count = dict.fromkeys(numbers), 0
        for number, frame in self.sweep():
            count = number + 1
            if number in left:
                del left[number]
                yield number, frame
            if not left:
                return
        for number in left:
            yield number, self.damage or f"past the end: the film has {count} frames"

    def sweep(self) -> Iterator[tuple[int, Any]]:
        """Yields the frames in order with their numbers, up to a damaged or missing one."""
        number = 0
        # Of the last frames before a missing one, some may be shown after it.
        held: collections.deque[Any] = collections.deque()
        container, stream = open_film(self._path)
        with container:
            try:
                for frame in _decoded(container, stream):
                    held.append(frame)
                    if len(held) > REORDERED:
                        yield number, held.popleft()
                        number += 1
                yield from enumerate(held, start=number)
            except (av.FFmpegError, _MissingFrameError):
                self.damage = f"the film is damaged, so only the first {number} frames can be counted"


class _MissingFrameError(Exception):
    pass


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yields all frames; raises an error at a damaged one, and where the AVI's count of frames jumps."""
    counted, before = container.format.name == "avi", None
    packets = (packet for packet in container.demux(stream) if packet.size)
    for packet in itertools.chain(packets, [None]):
        if counted and packet is not None and packet.dts is not None:
            if before is not None and packet.dts != before + 1:
                raise _MissingFrameError
            before = packet.dts
        for frame in stream.decode(packet):
            if frame.is_corrupt:
                raise _MissingFrameError
            yield frame

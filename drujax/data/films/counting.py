"""Frames of a film whose timeline is not known: everything is decoded from the beginning and counted."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av

from drujax.data.films.opening import open_film


class Counting:
    """Decodes frames by number, and sweeps over all.

    Args:
        path: the film.
    """

    length = None  # not known without decoding

    def __init__(self, path: Path):
        self._path = path

    def close(self) -> None:
        pass

    def frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Yields the number and the frame (of PyAV), or a reason why it cannot be read, of ascending `numbers`."""
        left, count = dict.fromkeys(numbers), 0
        reason = "past the end: the film has {} frames"
        for number, frame in self.sweep():
            if frame is None:
                reason = "the film is damaged after {} frames, and later ones cannot be counted"
                break
            count = number + 1
            if number in left:
                del left[number]
                yield number, frame
            if not left:
                return
        for number in left:
            yield number, reason.format(count)

    def sweep(self) -> Iterator[tuple[int, Any]]:
        """Yields the frames in order with their numbers; at the first error None instead of a frame, and ends."""
        container, stream = open_film(self._path)
        number = 0
        with container:
            packets = (packet for packet in container.demux(stream) if packet.size)
            with contextlib.suppress(av.FFmpegError):
                for packet in itertools.chain(packets, [None]):
                    for frame in stream.decode(packet):
                        if frame.is_corrupt:
                            yield number, None
                            return
                        yield number, frame
                        number += 1
                return
            yield number, None

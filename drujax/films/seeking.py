"""Frames of a film whose timeline is known: decoding starts at the keyframe before a frame, which is recognised by its
presentation time.

Decoders conceal damage, and frames that refer to a damaged one are damaged without a sign; so after an error that the
decoder reports, nothing is taken until the next keyframe.
"""

import collections
import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av

from drujax.films.opening import open_film
from drujax.films.timeline import REORDERED, Timeline

AHEAD = 64  # packets that a decoder may take before it gives a frame, because of reordering and threads
SEEKS = 3  # keyframes from which to try, if seeking leads too far
DAMAGED = "the film is damaged here"


class Seeking:
    """Decodes single frames by number, and sweeps over all.

    Args:
        path: the film.
        container: the film as opened by `open_film`; closed by `close`.
        stream: its video stream.
        timeline: of the stream.
    """

    def __init__(self, path: Path, container: Any, stream: Any, timeline: Timeline):
        self._path, self._timeline = path, timeline
        self._container, self._stream = container, stream

    def close(self) -> None:
        self._container.close()

    @property
    def length(self) -> int:
        return len(self._timeline.shown)

    @property
    def damage(self) -> str | None:
        """Why not all frames of the film are known, if so."""
        damage = self._timeline.damage
        return None if damage is None else f"{damage}, so only the first {self.length} frames have a certain number"

    def frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Yields the number and the frame (of PyAV), or a reason why it cannot be read, of ascending `numbers`."""
        inside = [number for number in numbers if number < self.length]
        for start, group in itertools.groupby(inside, self._timeline.keyframe_before):
            yield from self._group(start, list(group))
        for number in numbers[len(inside) :]:
            yield number, self.damage or f"past the end: the film has {self.length} frames"

    def sweep(self) -> Iterator[tuple[int, Any]]:
        """Yields the frames in order with their numbers, damaged ones too, without those that no other refers to.

        Leaving these out saves half of the time.
        """
        container, stream = open_film(self._path)
        with container:
            stream.codec_context.skip_frame = "NONREF"
            for packet in itertools.chain(_packets(container, stream), [None]):
                with contextlib.suppress(av.FFmpegError):  # of damaged packets
                    for frame in stream.decode(packet):
                        number = self._timeline.number(frame.pts) if frame.pts is not None else None
                        if number is not None:
                            yield number, frame

    def _group(self, start: int, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Decodes frames between one keyframe and the next.

        If that fails, tries again without threads and without seeking, and then from the keyframe before, which helps
        where a keyframe depends on earlier frames after all (intra refresh).
        """
        left = dict.fromkeys(numbers)
        for keyframe, careful in ((start, False), (start, True), (start - 1, True)):
            if left and keyframe >= 0:
                for number, frame in self._segment(keyframe, list(left), careful=careful):
                    del left[number]
                    yield number, frame
        for number in left:
            yield number, DAMAGED

    def _segment(self, start: int, numbers: Sequence[int], *, careful: bool) -> Iterator[tuple[int, Any]]:
        """Decodes from a keyframe on, and yields those of the wanted frames that precede the first error in the file.

        If not `careful`, ends at the first error.
        """
        timeline, intact = self._timeline, math.inf  # the place of the first error
        keyframe = timeline.keyframes[start]
        wanted = {timeline.shown[number]: number for number in numbers}
        last = max(timeline.place[pts] for pts in wanted) + AHEAD
        # A damaged frame may be shown after frames that refer to it.
        held: collections.deque[Any] = collections.deque()
        for place, frame in self._decoded(start, last, careful=careful):
            if frame is not None and (frame.pts not in timeline.place or frame.pts < keyframe.pts):
                continue
            if frame is None or frame.is_corrupt:
                if not careful:
                    return
                intact = min(intact, place if frame is None else timeline.place[frame.pts])
                continue
            held.append(frame)
            if len(held) > REORDERED:
                first = held.popleft()
                if first.pts in wanted and timeline.place[first.pts] < intact:
                    yield wanted.pop(first.pts), first
                if not wanted:
                    return
        for frame in held:
            if frame.pts in wanted and timeline.place[frame.pts] < intact:
                yield wanted.pop(frame.pts), frame

    def _decoded(self, start: int, last: int, *, careful: bool) -> Iterator[tuple[int, Any]]:
        """Yields the place of a packet and a frame that the decoder gave at it, or None for an error; ends with what
        the decoder still holds, after the packet at `last` or an error.
        """
        with contextlib.ExitStack() as stack:
            if careful:
                container, stream = open_film(self._path, "NONE")
                stack.enter_context(container)
                packets: Iterable[Any] = _packets(container, stream)
            else:
                stream, packets = self._stream, self._sought(start)
            keyframe = self._timeline.keyframes[start]
            place = keyframe.place
            for place, packet in self._placed(packets, keyframe.place):
                if place > last:
                    break
                try:
                    for frame in stream.decode(packet):
                        yield place, frame
                except av.FFmpegError:
                    # Frames that are shown before the keyframe may lack what they refer to.
                    if packet.pts >= keyframe.pts:
                        yield place, None
                        break
            try:
                for frame in stream.decode(None):
                    yield place, frame
            except av.FFmpegError:
                yield place, None

    def _placed(self, packets: Iterable[Any], first: int) -> Iterator[tuple[int, Any]]:
        """Yields packets with their places, from the place `first` on."""
        for packet in packets:
            place = self._timeline.place.get(packet.pts, -1)
            if place >= first:
                yield place, packet

    def _sought(self, start: int) -> Iterable[Any]:
        """Returns the packets from a keyframe on, or from one before; none if seeking leads too far."""
        for keyframe in reversed(self._timeline.keyframes[max(0, start + 1 - SEEKS) : start + 1]):
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(keyframe.seek, stream=self._stream)
                packets = _packets(self._container, self._stream)
                first = next(packets, None)
                place = None if first is None else self._timeline.place.get(first.pts)
                if place is not None and place <= self._timeline.keyframes[start].place:
                    return itertools.chain([first], packets)
        return ()


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yields the packets up to the end, or to the first that cannot be read."""
    with contextlib.suppress(av.FFmpegError):
        yield from (packet for packet in container.demux(stream) if packet.size)

"""The timeline of a film: the presentation times of its frames, from its packets alone, without decoding.

A frame's number is its place in the order in which frames are shown. With B-frames that is not the order in which they
are stored, and with a variable frame rate it is not proportional to time; so neither can be computed from the other,
and both are read from all packets of the file.
"""

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import av
import numpy as np

# Containers that store the presentation time of every frame; in others (AVI, ASF) libavformat guesses it.
TIMED = frozenset({"mov", "mp4", "matroska", "webm", "flv", "mpegts", "mpeg"})
STREAMS = frozenset({"mpegts", "mpeg"})  # which lose packets without a sign, and have a constant frame rate
HIDDEN = frozenset({"vp8"})  # codecs with packets that are not shown
REORDERED = 16  # frames at most that are stored before a frame that is shown before them (H.264, HEVC)
EARLY = 2.0  # seconds that a whole film may end before its container says


class Keyframe(NamedTuple):
    """A frame from which decoding can start.

    Attributes:
        place: in the order of packets.
        pts: its presentation time.
        seek: a time to seek to; at most its decoding time.
    """

    place: int
    pts: int
    seek: int


@dataclasses.dataclass(frozen=True)
class Timeline:
    """The frames of a film. Times are in units of the stream's time base.

    Attributes:
        shown: the presentation time of each frame, ascending; a frame's number is its position here.
        place: the place in the order of packets, by presentation time.
        keyframes: in both orders.
        damage: why frames may be missing at the end of `shown`, if they may.
    """

    shown: list[int]
    place: dict[int, int]
    keyframes: list[Keyframe]
    damage: str | None = None

    def number(self, pts: int) -> int | None:
        """Returns the number of the frame with this presentation time."""
        number = bisect.bisect_left(self.shown, pts)
        return number if self.shown[number : number + 1] == [pts] else None

    def keyframe_before(self, number: int) -> int:
        """Returns the position in `keyframes` of the last one that is shown no later than the frame.

        Frames shown after a keyframe need nothing that is stored before it, even in an open group of pictures. Those
        that are stored after it but shown before it do.
        """
        return bisect.bisect_right(self.keyframes, self.shown[number], key=lambda keyframe: keyframe.pts) - 1


def read_timeline(container: Any, stream: Any) -> Timeline | None:
    """Reads all packets of the stream; None if their times do not tell in which order the frames are shown."""
    kinds = set(container.format.name.split(","))
    if not TIMED & kinds or stream.codec_context.name in HIDDEN:
        return None
    reader = _Reader(container, stream)
    packets = list(reader)
    timeline = _timeline(packets)
    if timeline is None:
        return None
    damage = reader.damage
    if STREAMS & kinds and (hole := _hole(timeline.shown)) is not None:
        timeline = dataclasses.replace(timeline, shown=timeline.shown[: hole + REORDERED])
        damage = "packets are missing"
    if damage is None and _ends_early(timeline.shown, container, stream):
        damage = "the file ends early"
    # Where packets are missing, a frame may be left whose predecessors are lost. Its number would be wrong.
    return dataclasses.replace(timeline, shown=timeline.shown[:-REORDERED], damage=damage) if damage else timeline


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    key: bool
    shown: bool


class _Reader:
    """The packets of a stream, up to the first that the container cannot read. libavformat skips what it cannot read,
    raises no error and only logs one.
    """

    def __init__(self, container: Any, stream: Any):
        self._container, self._stream = container, stream
        self.damage: str | None = None

    def __iter__(self) -> Iterator[_Packet]:
        level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        try:
            with av.logging.Capture() as logs:
                for packet in self._container.demux(self._stream):
                    if any(name == self._container.format.name for _, name, _ in logs) or packet.is_corrupt:
                        self.damage = "the file is damaged"
                        return
                    logs.clear()
                    if packet.size:
                        yield _Packet(packet.pts, packet.dts, packet.is_keyframe, not packet.is_discard)
        except av.FFmpegError as error:
            self.damage = f"the file is damaged: {error.strerror}"
        finally:
            av.logging.set_level(level)
            av.logging.set_skip_repeated(skip)


def _timeline(packets: Sequence[_Packet]) -> Timeline | None:
    """Sorts the packets; None if times are missing, equal or jump back."""
    place = {packet.pts: place for place, packet in enumerate(packets) if packet.pts is not None}
    keyframes = [
        Keyframe(place, packet.pts, packet.pts if packet.dts is None else min(packet.pts, packet.dts))
        for place, packet in enumerate(packets)
        if packet.key and packet.pts is not None
    ]
    decoded = [packet.dts for packet in packets if packet.dts is not None]
    in_order = _ascending(decoded) and _ascending([keyframe.pts for keyframe in keyframes])
    if len(place) < len(packets) or not keyframes or not in_order:
        return None
    # What comes before the first keyframe, in either order, cannot be decoded and so is never shown.
    first = keyframes[0]
    times = (packet.pts for packet in packets[first.place :] if packet.shown)
    return Timeline(sorted(pts for pts in times if pts is not None and pts >= first.pts), place, keyframes)


def _ascending(times: Sequence[int]) -> bool:
    return all(earlier <= later for earlier, later in itertools.pairwise(times))


def _hole(shown: Sequence[int]) -> int | None:
    """Returns the number of frames before the first missing one, at a constant frame rate."""
    steps = np.diff(shown)
    holes = np.flatnonzero(steps > 1.6 * np.median(steps)) if steps.size else steps
    return int(holes[0]) + 1 if holes.size else None


def _ends_early(shown: Sequence[int], container: Any, stream: Any) -> bool:
    """Whether the frames end long before the time that the container names."""
    if stream.duration is not None:
        whole = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        whole = container.duration / av.time_base
    else:
        return False
    return bool(shown) and whole - float((shown[-1] - shown[0]) * stream.time_base) > EARLY

"""A film as it is read for encoding: what its frames are like, and all of them in order."""

import dataclasses
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av

from drujax.errors import UsageError
from drujax.films.conversion import UNDECLARED, check_dynamic_range
from drujax.films.opening import open_film
from drujax.films.seeking import Seeking
from drujax.films.timeline import Timeline, read_timeline

T = TypeVar("T")

WIDE_PRIMARIES, WIDE_MATRICES = (9,), (9, 10)  # BT.2020, of H.273
AHEAD = 4  # frames that are decoded ahead


@dataclasses.dataclass(frozen=True)
class Video:
    """What an encoder and a container are told about moving pictures; colours by the numbers of ITU-T H.273.

    Attributes:
        codec: FFmpeg's name of the codec.
        pix_fmt: FFmpeg's name of the pixel format.
        time_base: the unit of times, in seconds.
        rate: frames a second, on average.
        aspect: width of a sample over its height; None if unknown.
        display_matrix: FFmpeg's nine numbers that turn or mirror the frames when they are shown.
        interlaced: whether a frame holds two fields.
    """

    codec: str
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    range: int
    primaries: int
    transfer: int
    matrix: int
    display_matrix: tuple[int, ...] | None
    interlaced: bool


@dataclasses.dataclass(frozen=True)
class Source:
    """A film.

    Attributes:
        timeline: None if the container does not tell the times of all frames.
        expected: number of frames, without a timeline about how many.
    """

    path: Path
    video: Video
    timeline: Timeline | None
    expected: int

    def seconds(self, pts: int) -> float:
        return float(pts * self.video.time_base)


def read_source(path: Path) -> Source:
    """Reads what a film is like.

    Raises:
        UsageError: it is not a film, or damaged, or has a high dynamic range. The message begins with the path.
    """
    container, stream = open_film(path)
    with container:
        try:
            frame = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise UsageError(f"{path}: its first frame cannot be decoded ({error.strerror})") from None
        if frame is None:
            raise UsageError(f"{path}: has no frames")
        try:
            video = _video(stream, frame)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        named = stream.frames or round((container.duration or 0) / av.time_base * video.rate)
    container, stream = open_film(path)
    with container:
        timeline = read_timeline(container, stream)
    if timeline is not None and timeline.damage is not None:
        raise UsageError(f"{path}: {timeline.damage}; nothing is written of a film that is not whole")
    return Source(path, video, timeline, len(timeline.shown) if timeline else named)


def _video(stream: Any, frame: Any) -> Video:
    from av.sidedata.sidedata import Type

    context = stream.codec_context
    colours = [
        (first if first not in UNDECLARED and first else second)
        for first, second in (
            (frame.color_primaries, context.color_primaries),
            (frame.color_trc, context.color_trc),
            (frame.colorspace, context.colorspace),
        )
    ]
    primaries, transfer, matrix = map(int, colours)
    check_dynamic_range(frame)
    check_dynamic_range(context)
    if primaries in WIDE_PRIMARIES or matrix in WIDE_MATRICES:
        raise UsageError("its colours are BT.2020's; convert it to BT.709 first")
    displayed = frame.side_data.get(Type.DISPLAYMATRIX)
    return Video(
        codec=context.name if context.codec is None else context.codec.canonical_name,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        time_base=stream.time_base,
        rate=stream.average_rate or stream.guessed_rate or Fraction(24),
        aspect=stream.sample_aspect_ratio,
        range=int(frame.color_range or context.color_range),
        primaries=primaries,
        transfer=transfer,
        matrix=matrix,
        display_matrix=None if displayed is None else tuple(memoryview(bytes(displayed)).cast("i").tolist()),
        interlaced=bool(frame.interlaced_frame),
    )


def keyframes(source: Source, count: int) -> Iterator[Any]:
    """Yields about `count` keyframes from all over the film, which are fast to decode; none without a timeline."""
    if source.timeline is None:
        return
    numbers = [source.timeline.number(keyframe.pts) for keyframe in source.timeline.keyframes]
    known = [number for number in numbers if number is not None]
    spread = sorted({known[len(known) * part // count] for part in range(count)}) if known else []
    container, stream = open_film(source.path)
    with container:
        for _, frame in Seeking(source.path, container, stream, source.timeline).frames(spread):
            if not isinstance(frame, str):
                yield frame


def frames_from(source: Source, first: int) -> Iterator[tuple[int, Any]]:
    """Yields the number and the frame (of PyAV, with its time) of all frames from number `first` on.

    Raises:
        UsageError: the film is damaged. The message begins with the path.
    """
    if source.timeline is None:
        frames = enumerate(_timed(_decoded(source.path), source.video))
        yield from (pair for pair in frames if pair[0] >= first)
        return
    shown = source.timeline.shown
    number = first
    for frame in _sought(source, first):
        if number < len(shown) and frame.pts == shown[number] and not frame.is_corrupt:
            yield number, frame
            number += 1
        elif number == len(shown) or frame.pts > shown[number] or frame.is_corrupt:
            break
    if number < len(shown):
        raise UsageError(f"{source.path}: the film is damaged at frame {number} ({_clock(source, shown[number])})")


def _sought(source: Source, first: int) -> Iterator[Any]:
    """Yields the frames that are shown from number `first` on, decoded from the keyframe before."""
    assert source.timeline is not None
    wanted = source.timeline.shown[first] if first < len(source.timeline.shown) else None
    keyframe = source.timeline.keyframes[source.timeline.keyframe_before(first)] if wanted is not None else None
    if keyframe is not None and keyframe.place > 0:
        frames = (frame for frame in _decoded(source.path, keyframe.seek) if frame.pts is not None)
        frames = (frame for frame in frames if frame.pts >= keyframe.pts)
        start = next(frames, None)
        if start is not None and start.pts == keyframe.pts:
            yield from (frame for frame in _chained(start, frames) if frame.pts >= wanted)
            return
    for frame in _decoded(source.path):  # seeking led elsewhere
        if frame.pts is not None and wanted is not None and frame.pts >= wanted:
            yield frame


def _chained(first: T, rest: Iterable[T]) -> Iterator[T]:
    yield first
    yield from rest


def _decoded(path: Path, seek: int | None = None) -> Iterator[Any]:
    container, stream = open_film(path)
    with container:
        if seek is not None:
            container.seek(seek, stream=stream)
        number = 0
        try:
            for frame in container.decode(stream):
                yield frame
                number += 1
        except av.FFmpegError as error:
            raise UsageError(f"{path}: the film is damaged ({error.strerror}) {number} frames after a start") from None


def _timed(frames: Iterable[Any], video: Video) -> Iterator[Any]:
    """Gives frames a time that have none, or one that does not ascend: that of the frame rate."""
    step = max(1, round(1 / (video.rate * video.time_base)))
    before = None
    for frame in frames:
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None or (before is not None and pts <= before):
            pts = 0 if before is None else before + step
        frame.pts = before = pts
        yield frame


def _clock(source: Source, pts: int) -> str:
    minutes, seconds = divmod(source.seconds(pts), 60)
    return f"{int(minutes)}:{seconds:06.3f}"


def ahead(items: Iterable[T], count: int = AHEAD) -> Generator[T]:
    """Yields the items, of which a thread takes up to `count` in advance."""
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(count)
    ended = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not ended.is_set():
            try:
                waiting.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def take() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        ended.set()
        thread.join()


def numbers_between(shown: Sequence[int], first: int, last: int) -> range:
    """Returns the numbers of the frames that are shown from one time to before another."""
    inside = [number for number, pts in enumerate(shown) if first <= pts < last]
    return range(inside[0], inside[-1] + 1) if inside else range(0)

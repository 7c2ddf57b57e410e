"""Enhances a film file: its frames, in segments that survive a killed process; everything else is copied."""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from jaxtyping import Float, Int64

from drujax.console.progress import Progress
from drujax.enhance.film.arrays import check_guided
from drujax.enhance.film.planes import Planes, apply_to_planes
from drujax.enhance.film.segments import read_segment, read_state, read_times, segment_path, write_segment
from drujax.enhance.film.temporal import SmoothLight
from drujax.enhance.light import Light
from drujax.enhance.mask import fitted
from drujax.enhance.working_scale import Small, planes_at_working_scale
from drujax.errors import UsageError
from drujax.films.conversion import coding, rgb_of, samples, unscaled
from drujax.films.encoding import CONTAINERS, Coded, Encoding, bits_of, block_of, choose, new_encoder
from drujax.films.letterbox import Bars, find_bars
from drujax.films.muxing import Span, check_streams, write_film
from drujax.films.shots import EARLIER, thumbnail, with_cuts
from drujax.films.source import Source, ahead, frames_from, keyframes, numbers_between, read_source
from drujax.pictures.color import to_uint8
from drujax.runtime.atomic_write import hidden, replacing
from drujax.runtime.fingerprint import fingerprint
from drujax.runtime.malloc import trim_freed_memory
from drujax.runtime.version import __version__
from drujax.runtime.work_folder import work_folder

if TYPE_CHECKING:
    from drujax.enhance.amount import Amount
    from drujax.enhance.enhancer import Enhancer

SEGMENT = 10.0  # seconds of film, about, that a killed process loses
FOR_BARS = 24  # keyframes in which letterbox bars are looked for
WAITING = 4  # frames that wait for the encoder
FORMAT = 2  # version of the segments and of how they come about


@dataclasses.dataclass(frozen=True)
class FilmOptions:
    """How a film is written; names are FFmpeg's, None is by the film and its container (`drujax.films.encoding`).

    `preview` is the length in seconds of the part in the middle of the film that is written instead of all of it.
    """

    codec: str | None = None
    crf: float | None = None
    pix_fmt: str | None = None
    preview: float | None = None


@dataclasses.dataclass(frozen=True)
class _Work:
    """All that the frames of a film depend on."""

    source: Source
    encoding: Encoding
    bars: Bars
    mask: Float[np.ndarray, "h w"] | None  # inside of the bars
    numbers: range  # of the frames that are written
    length: int  # of a segment, in frames

    def segment(self, number: int) -> range:
        """The frames of a segment."""
        return self.numbers[number * self.length : (number + 1) * self.length]


def enhance_film(
    source: Path,
    target: Path,
    enhancer: "Enhancer",
    amount: "Amount",
    options: FilmOptions = FilmOptions(),
    *,
    quiet: bool = False,
) -> tuple[str, ...]:
    """Enhances a film; returns lines about what may surprise.

    An interrupted run leaves a hidden folder beside the target, from which the same call continues.

    Args:
        source: the film.
        target: .mkv, .mp4, .m4v, .mov or .webm; replaced if it exists. Its folder is made.
        enhancer: one that is `guided`.
        amount: how much, and where.
        options: codec, quality, part of the film.
        quiet: shows no progress.

    Raises:
        UsageError: the film is damaged or of a kind that is not supported, the target does not hold all of its streams,
            the options do not fit. The message names the film or the option.
        OSError: the target cannot be written.
    """
    check_guided(enhancer, str(source))
    container = CONTAINERS[target.suffix.lower()]
    film = read_source(source)
    try:
        encoding, note = choose(film.video, container, codec=options.codec, crf=options.crf, pix_fmt=options.pix_fmt)
    except UsageError as error:
        raise UsageError(str(error) if str(error).startswith("--") else f"{source}: {error}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    trial = hidden(target)
    try:
        check_streams(trial, container, source, film.video, encoding)
    finally:
        trial.unlink(missing_ok=True)
    numbers, span = _part(film, options.preview)
    settings = {
        "format": FORMAT,
        "drujax": __version__,
        "film": fingerprint(source),
        "encoding": dataclasses.asdict(encoding),
        "ffmpeg": av.library_versions,
        "model": enhancer.fingerprint(),
        "strength": amount.strength,
        "exposure": amount.exposure,
        "mask": None if amount.mask is None else [amount.mask.shape, hashlib.sha256(amount.mask.tobytes()).hexdigest()],
        "part": [numbers.start, numbers.stop if film.timeline is not None else None],
    }
    with work_folder(target, json.dumps(settings, sort_keys=True)) as folder:
        bars = _bars(film)
        mask = None if amount.mask is None else fitted(amount.mask, film.video.height, film.video.width)
        work = _Work(
            source=film,
            encoding=encoding,
            bars=bars,
            mask=None if mask is None else bars.without(mask),
            numbers=numbers,
            length=segment_length(film),
        )
        _write_segments(folder, work, enhancer, amount, quiet=quiet)
        segments = sorted(folder.glob("*.npz"))
        times = [read_times(path) for path in segments]
        with replacing(target) as temporary:
            write_film(
                temporary,
                container,
                source,
                film.video,
                encoding,
                itertools.chain.from_iterable(map(read_segment, segments)),
                np.sort(np.concatenate(times)).tolist(),
                delay=max(map(_delay, times)),
                span=span,
            )
    return () if note is None else (f"{target}: {note}",)


def _delay(times: Int64[np.ndarray, " n"]) -> int:
    """Returns how many places later a frame is stored at most than it is shown, from the times in the order stored."""
    shown_at = times.argsort().argsort()
    return int((np.arange(len(times)) - shown_at).max())


def segment_length(film: Source) -> int:
    """Returns the number of frames of a segment of a film."""
    return max(1, round(SEGMENT * film.video.rate))


def _part(film: Source, preview: float | None) -> tuple[range, Span | None]:
    """Returns the numbers of the frames to write, and the time of the part that they are."""
    if film.timeline is None:
        if preview is not None:
            raise UsageError(f"--preview: {film.path} does not tell the times of its frames; remux it to .mkv first")
        return range(2**31), None  # up to the end, wherever that is
    shown, base = film.timeline.shown, film.video.time_base
    first, last = shown[0], shown[-1] + max(1, round(1 / (film.video.rate * base)))
    if preview is None or (last - first) * base <= preview:
        return range(len(shown)), None
    length = round(Fraction(preview).limit_denominator(1000) / base)
    start = first + (last - first - length) // 2
    numbers = numbers_between(shown, start, start + length) or numbers_between(shown, start, last)[:1]
    start = shown[numbers[0]]
    return numbers, (start * base, (start + length) * base)


def _bars(film: Source) -> Bars:
    """The letterbox bars that keyframes from all over the film have in common, but for parts of blocks."""
    grey = (to_uint8(unscaled(samples(frame, 0), coding(frame).luma_scale)) for frame in keyframes(film, FOR_BARS))
    bars = find_bars((np.repeat(y[..., None], 3, axis=-1) for y in grey), margin=0)
    return Bars(*(bar - bar % side for bar, side in zip(bars, block_of(film.video.pix_fmt), strict=True)))


def _write_segments(folder: Path, work: _Work, enhancer: "Enhancer", amount: "Amount", *, quiet: bool) -> None:
    """Writes the segments that are not there yet."""
    done = 0
    while segment_path(folder, done).exists():
        done += 1
    first = done * work.length
    smooth = SmoothLight()
    if done:
        smooth.restore(read_state(segment_path(folder, done - 1)))
    total = min(len(work.numbers), work.source.expected) if work.source.timeline else work.source.expected
    if work.source.timeline is not None and first >= total:
        return
    label = work.source.path.name
    with (
        Progress(label, total=total, done=min(first, total), unit="frame", quiet=quiet) as progress,
        ThreadPoolExecutor(1) as encoder,
        contextlib.closing(_lit(work, first, smooth, enhancer, amount)) as frames,
    ):
        for number in itertools.count(done):
            inside = _coded(frames, len(work.segment(number)), encoder, work, progress)
            if inside is None:
                return
            write_segment(segment_path(folder, number), inside, smooth.state())
            del inside
            trim_freed_memory()


def _coded(
    frames: Iterator[Any], length: int, executor: ThreadPoolExecutor, work: _Work, progress: Progress
) -> list[Coded] | None:
    """Encodes up to `length` frames; None if there are none. The encoder runs while the next frames are lit."""
    durations: dict[int, int] = {}
    coded: list[Coded] = []
    context = None
    waiting: collections.deque[Future[list[Any]]] = collections.deque()

    def collect(future: Future[list[Any]]) -> None:
        for packet in future.result():
            coded.append(Coded(packet.pts, durations.pop(packet.pts), packet.is_keyframe, bytes(packet)))

    for frame in itertools.islice(frames, length):
        context = context or new_encoder(work.encoding, work.source.video)
        durations[frame.pts] = frame.duration or _step(work.source)
        waiting.append(executor.submit(context.encode, frame))
        if len(waiting) > WAITING:
            collect(waiting.popleft())
        progress.advance()
    if context is None:
        return None
    waiting.append(executor.submit(context.encode, None))
    while waiting:
        collect(waiting.popleft())
    return coded


def _step(film: Source) -> int:
    return max(1, round(1 / (film.video.rate * film.video.time_base)))


def _lit(work: _Work, first: int, smooth: SmoothLight, enhancer: "Enhancer", amount: "Amount") -> Generator[Any]:
    """Yields the enhanced frames from the `first` of the wanted ones on."""
    video = work.source.video
    start = max(work.numbers.start, work.numbers.start + first - EARLIER)  # to find the same cuts
    wanted = range(work.numbers.start + first, work.numbers.stop)

    def decoded() -> Iterator[tuple[tuple[int, Any], np.ndarray]]:
        for number, frame in frames_from(work.source, start):
            if number >= wanted.stop:
                return
            if (frame.width, frame.height, frame.format.name) != (video.width, video.height, video.pix_fmt):
                raise UsageError(f"{work.source.path}: frame {number} has another size or pixel format than the first")
            yield (number, frame), thumbnail(frame)

    frames = ahead(with_cuts(decoded()))
    with contextlib.closing(frames):
        for (number, frame), cut in frames:
            if number < wanted.start:
                continue
            light = smooth.next(
                work.source.seconds(frame.pts),
                cut=cut,
                look=partial(_at_working_scale, frame, work.bars),
                find=partial(enhancer.light, amount=amount),
            )
            yield _enhanced(frame, light, work)


def _at_working_scale(frame: Any, bars: Bars) -> Small | None:
    of = coding(frame)

    def to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
        return rgb_of(unscaled(y, of.luma_scale), unscaled(cb, of.chroma_scale), unscaled(cr, of.chroma_scale), of)

    return planes_at_working_scale(_inside(frame, bars), to_rgb)


def _inside(frame: Any, bars: Bars) -> Planes:
    """Views of a frame's planes inside of the bars, which are of whole blocks."""
    rows, columns = block_of(frame.format.name)
    of_chroma = Bars(bars.rows // rows, bars.columns // columns)
    luma, cb, cr = (samples(frame, plane) for plane in range(3))
    return bars.without(luma), of_chroma.without(cb), of_chroma.without(cr)


def _enhanced(frame: Any, light: Light | None, work: _Work) -> Any:
    """Returns the frame with its light, ready to be encoded; bars, times and side data are its own."""
    pts, duration, pix_fmt = frame.pts, frame.duration, work.encoding.pix_fmt
    planes = None
    if light is not None:
        given = _inside(frame, work.bars)
        planes = apply_to_planes(given, *light, coding(frame), bits=bits_of(pix_fmt), mask=work.mask)
    if frame.format.name != pix_fmt:
        frame = frame.reformat(format=pix_fmt)
    if planes is not None:
        frame.make_writable()
        for inside, plane in zip(_inside(frame, work.bars), planes, strict=True):
            inside[:] = plane
    frame.pts, frame.duration, frame.time_base = pts, duration, work.source.video.time_base
    frame.pict_type = 0  # the encoder decides
    return frame

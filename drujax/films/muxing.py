"""Writes a film file: new moving pictures, and everything else of another film as it is."""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import Flags
from av.stream import Disposition

from drujax.errors import UsageError
from drujax.films.encoding import Coded, Encoding
from drujax.films.opening import open_film
from drujax.films.source import Video

Span = tuple[Fraction, Fraction]  # from, to: seconds
# Of the container or stream they were read from, and false in another.
OF_THE_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})
OF_THE_STREAM = OF_THE_FILE | {"encoder_options"}
STATISTICS = ("BPS", "NUMBER_OF_BYTES", "NUMBER_OF_FRAMES", "_STATISTICS_")  # mkvmerge's
# A pause between subtitles of MP4, which the muxer fills by itself.
PAUSE = b"\0\0"
NO_ATTACHMENTS = ("mp4", "mov", "webm")


def check_streams(path: Path, container: str, source: Path, video: Video, encoding: Encoding) -> None:
    """Writes a film without frames to `path`, to see that the container holds all streams.

    Raises:
        UsageError: it does not.
    """
    write_film(path, container, source, video, encoding, iter(()), [])


def write_film(
    path: Path,
    container: str,
    source: Path,
    video: Video,
    encoding: Encoding,
    coded: Iterator[Coded],
    shown: list[int],
    *,
    delay: int = 0,
    span: Span | None = None,
) -> None:
    """Writes a film; its streams have the order, metadata and disposition of those of `source`.

    Args:
        path: to write to.
        container: FFmpeg's name.
        source: the film whose other streams, chapters and metadata are copied.
        video: of `source`.
        encoding: of the moving pictures.
        coded: the frames in the order in which they are stored.
        shown: their times, ascending.
        delay: places at most by which a frame is stored later than it is shown among the others.
        span: the part of the source to copy. It begins at 0 in the new film, and has no chapters.

    Raises:
        UsageError: the container does not hold a stream.
    """
    original, stream = open_film(source)
    with original, av.open(str(path), "w", format=container) as output:
        output.flags |= Flags.bitexact.value  # without random numbers: equal frames are equal files
        pictures: dict[int, Any] = {}
        copies: dict[int, Any] = {}
        with _refusing(container, source):
            for each in original.streams:
                if each is stream:
                    pictures[each.index] = new = _add_video(output, stream, video, encoding)
                else:
                    new = _add_copy(output, each, container, source, chapters=bool(original.chapters()))
                    if new is None:
                        continue
                    copies[each.index] = new
                new.disposition = each.disposition
            output.metadata.update(_kept(original.metadata, OF_THE_FILE))
            if span is None:
                output.set_chapters(original.chapters())
            output.start_encoding()
        target = pictures[stream.index]
        start = Fraction(0) if span is None else span[0]
        own = _packets(target, coded, shown, video, delay, start)
        _interleave(output, own, _copied(original, copies, span))


def _add_video(output: Any, stream: Any, video: Video, encoding: Encoding) -> Any:
    new = output.add_stream(encoding.codec, rate=video.rate)
    encoding.configure(new.codec_context, video)
    new.time_base = video.time_base
    if video.display_matrix is not None:
        new.set_display_matrix(video.display_matrix)
    metadata = _kept(stream.metadata, OF_THE_STREAM)
    new.metadata.update({key: value for key, value in metadata.items() if not key.startswith(STATISTICS)})
    return new


def _add_copy(output: Any, stream: Any, container: str, source: Path, *, chapters: bool) -> Any:
    """Adds a stream like one of the source's; None if no packets are to be copied."""
    if stream.type == "attachment" and container in NO_ATTACHMENTS:
        raise ValueError(f"{container!r} format does not support attachments")
    if container == "matroska" and stream.disposition & Disposition.attached_pic:
        metadata = dict(stream.metadata)
        kind = "png" if stream.codec_context.name == "png" else "jpeg"
        name = metadata.pop("filename", f"cover.{'png' if kind == 'png' else 'jpg'}")
        content = _picture(source, stream.index)
        new = output.add_attachment(name, metadata.pop("mimetype", f"image/{kind}"), content)
        new.metadata.update(metadata)
        return None
    if stream.type == "data" and chapters and container in ("mp4", "mov") and stream.name == "bin_data":
        return None  # the titles of the chapters, which are written again
    new = output.add_stream_from_template(stream, opaque=True)
    new.metadata.update(_kept(stream.metadata, frozenset()))
    return new


def _picture(path: Path, index: int) -> bytes:
    with av.open(str(path.absolute()), metadata_errors="replace") as container:
        return bytes(next(packet for packet in container.demux(container.streams[index]) if packet.size))


def _kept(metadata: dict[str, str], dropped: frozenset[str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower() not in dropped}


@contextlib.contextmanager
def _refusing(container: str, source: Path) -> Iterator[None]:
    """Turns errors of a container that does not hold a stream into one line."""
    try:
        yield
    except (ValueError, NotImplementedError, av.FFmpegError) as error:
        if isinstance(error, UsageError) or (isinstance(error, OSError) and not isinstance(error, ValueError)):
            raise
        raise UsageError(
            f"-o: {container} does not hold all streams of {source} ({error}); choose .mkv, or the film's own container"
        ) from None


def _packets(
    stream: Any, coded: Iterable[Coded], shown: list[int], video: Video, delay: int, start: Fraction
) -> Iterator[tuple[float, Any]]:
    """Yields packets with their decoding times in seconds; these ascend, and no frame is decoded after it is shown."""
    shift = round(start / video.time_base)
    step = shown[1] - shown[0] if len(shown) > 1 else 1
    for place, frame in enumerate(coded):
        packet = av.Packet(frame.data)
        packet.stream, packet.time_base = stream, video.time_base
        dts = shown[place - delay] if place >= delay else shown[0] - (delay - place) * step
        packet.pts, packet.dts, packet.duration = frame.pts - shift, dts - shift, frame.duration
        packet.is_keyframe = frame.key
        yield float((dts - shift) * video.time_base), packet


def _copied(original: Any, copies: dict[int, Any], span: Span | None) -> Iterator[tuple[float, Any]]:
    """Yields the packets of the copied streams, with their times in seconds."""
    if not copies:
        return
    before = 0.0
    for packet in original.demux([original.streams[index] for index in copies]):
        if not packet.size and packet.pts is None:
            continue
        if packet.stream.type == "subtitle" and packet.stream.name == "mov_text" and bytes(packet) == PAUSE:
            continue
        new, base = copies[packet.stream_index], packet.time_base
        time = packet.dts if packet.dts is not None else packet.pts
        if time is not None:
            if span is not None and not packet.stream.disposition & Disposition.attached_pic:
                if not span[0] <= time * base < span[1]:
                    continue
                shift = round(span[0] / base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                time -= shift
            before = float(time * base)
        packet.stream = new
        yield before, packet


def _interleave(output: Any, own: Iterator[tuple[float, Any]], copied: Iterator[tuple[float, Any]]) -> None:
    """Writes both by time, so that neither is held in memory."""
    next_own, next_copied = next(own, None), next(copied, None)
    while next_own is not None or next_copied is not None:
        if next_copied is None or (next_own is not None and next_own[0] <= next_copied[0]):
            assert next_own is not None
            output.mux(next_own[1])
            next_own = next(own, None)
        else:
            output.mux(next_copied[1])
            next_copied = next(copied, None)

"""Small films, with the number of each frame drawn into it."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

BITS = 8  # of a number
BLOCK = 12  # pixels of one


def numbered(number: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A frame with its number in binary, as light and dark blocks at the top left."""
    rgb = np.full((*size, 3), 60, np.uint8)
    for bit in range(BITS):
        rgb[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 220 if number >> bit & 1 else 20
    return rgb


def number_in(rgb: np.ndarray) -> int:
    blocks = rgb[3 : BLOCK - 3, : BITS * BLOCK].mean(axis=(0, 2)).reshape(BITS, BLOCK)[:, 3:-3].mean(axis=1)
    return sum(int(level > 120) << bit for bit, level in enumerate(blocks))


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    options: Mapping[str, str] = {"bf": "3", "g": "20"},  # noqa: B006
    *,
    times: Sequence[int] | None = None,
    format: str = "yuv420p",
    muxer: Mapping[str, str] = {},  # noqa: B006
    **context: Any,
) -> Path:
    """Encodes RGB frames at 24 a second, or at `times` in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = Fraction(1, 1000) if times else Fraction(1, 24)
    with av.open(str(path), "w", options=dict(muxer)) as container:
        stream: Any = None
        for number, rgb in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=24, options=dict(options))
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = format
                stream.codec_context.time_base = base
                for name, value in context.items():
                    setattr(stream.codec_context, name, value)
            frame = av.VideoFrame.from_ndarray(rgb).reformat(format=format)
            frame.pts, frame.time_base = (times[number] if times else number), base
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
    return path


def numbered_film(path: Path, count: int = 100, size: tuple[int, int] = (64, 96), **rest: Any) -> Path:
    return encode(path, (numbered(number, size) for number in range(count)), **rest)


def rich_film(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    times: Sequence[int],
    format: str = "yuv420p",
    audio: Sequence[str] = ("aac", "flac"),
    subtitles: str | None = "subrip",
    attachment: bytes | None = b"a font",
    matrix: Sequence[int] | None = None,
    codec: str = "libx264",
    colours: Sequence[int] = (1, 1, 1, 1),
    rate: int = 24,
    **options: str,
) -> Path:
    """A film with sound tracks, subtitles, an attachment, chapters, metadata, colour tags and frames at `times` in
    milliseconds. `colours` are the range, primaries, transfer and matrix.
    """
    frames = list(frames)
    seconds = times[-1] / 1000 + 0.1
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "A night", "comment": "made by a test"})
        video: Any = container.add_stream(codec, rate=rate, options={"bf": "3", "g": "20", **options})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = format, Fraction(1, 1000)
        context = video.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = colours
        context.sample_aspect_ratio = Fraction(4, 3)
        video.metadata.update({"language": "jpn"})
        if matrix is not None:
            video.set_display_matrix(matrix)
        video.disposition = Disposition.default
        tracks = []
        for number, name in enumerate(audio):
            track: Any = container.add_stream(name, rate=16000, layout="mono")
            track.metadata.update({"language": ("jpn", "eng")[number]})
            track.disposition = Disposition.default if number == 0 else Disposition.comment
            tracks.append(track)
        words: Any = None
        if subtitles is not None:
            words = container.add_mux_stream(subtitles, time_base=Fraction(1, 1000))
            words.metadata.update({"language": "eng"})
            words.disposition = Disposition.forced
        if attachment is not None:
            container.add_attachment("font.ttf", "application/x-truetype-font", attachment)
        half = int(500 * seconds)
        container.set_chapters(
            [
                {"id": n + 1, "start": n * half, "end": (n + 1) * half, "time_base": Fraction(1, 1000)}
                | {"metadata": {"title": f"part {n}"}}
                for n in range(2)
            ]
        )
        packets = [packet for n, track in enumerate(tracks) for packet in _tone(track, seconds, 300 + 200 * n)]
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb).reformat(format=format)
            frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            packets += video.encode(frame)
        packets += video.encode()
        if words is not None:
            for number in range(2):
                line = b"Hello" if subtitles != "mov_text" else b"\0\5Hello"
                packet = av.Packet(line)
                packet.stream, packet.time_base, packet.is_keyframe = words, Fraction(1, 1000), True
                packet.pts = packet.dts = 100 + number * half
                packet.duration = 200
                packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _tone(track: Any, seconds: float, pitch: float) -> list[Any]:
    size = 1024
    packets: list[Any] = []
    for start in range(0, int(16000 * seconds), size):
        wave = np.sin(np.arange(start, start + size) * 2 * np.pi * pitch / 16000)
        planar = track.codec_context.format.name == "fltp"
        samples = wave.astype(np.float32) if planar else (wave * 20000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp" if planar else "s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        packets += track.encode(frame)
    return packets + track.encode()


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def unknown_codec(path: Path) -> Path:
    """A film in Matroska whose codec has a name that nobody knows."""
    content = numbered_film(path, 4, codec="mpeg4").read_bytes()
    assert content.count(b"V_MPEG4/ISO/ASP") == 1
    path.write_bytes(content.replace(b"V_MPEG4/ISO/ASP", b"V_UNKNOWN/ASP/X"))
    return path

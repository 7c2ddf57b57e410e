"""Small films, with the number of each frame drawn into it."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

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

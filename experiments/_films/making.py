"""A dark film of painted scenes, with two sound tracks, subtitles and a variable frame rate."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

RATE = 24  # frames a second, but for a second of twelve
SHOT = 4.0  # seconds
GRAIN = 2.0  # levels
GRAINS = 8  # different fields of it
LINE = 2.0  # seconds between two subtitles
SAMPLES = 48000  # of sound a second
MILLISECOND = Fraction(1, 1000)


def make_film(path: Path, *, seconds: float, height: int, width: int, seed: int) -> int:
    """Writes a Matroska film; returns the number of its frames."""
    times = frame_times(seconds)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "17"})
        video.height, video.width, video.pix_fmt = height, width, "yuv420p"
        video.codec_context.time_base = MILLISECOND
        video.metadata["language"] = "jpn"
        tracks: list[Any] = []
        for language in ("jpn", "eng"):
            track: Any = container.add_stream("aac", rate=SAMPLES, layout="stereo")
            track.metadata["language"] = language
            tracks.append(track)
        words: Any = container.add_mux_stream("subrip", time_base=MILLISECOND)
        words.metadata["language"] = "eng"
        packets = [packet for n, track in enumerate(tracks) for packet in _tone(track, seconds, 220 * (n + 1))]
        packets += _lines(words, seconds)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for time, rgb in zip(times, _frames(times, height, width, seed), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb)
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(video.encode(frame))
            while packets and packets[0].dts * packets[0].time_base <= time * MILLISECOND:
                container.mux(packets.pop(0))
        container.mux(video.encode())
        container.mux(packets)
    return len(times)


def frame_times(seconds: float) -> list[int]:
    """Returns the times of the frames in milliseconds: they jitter, and in every third second every other one is
    missing.
    """
    numbers = [n for n in range(round(seconds * RATE)) if n // RATE % 3 != 2 or n % 2 == 0]
    return [1000 * n // RATE + n % 3 for n in numbers]


def _frames(times: Sequence[int], height: int, width: int, seed: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """In turn a camera that stands still with something that walks by, one that pans, a lamp that flickers and a scene
    that fades in.
    """
    from drujax.data.scenes import Lighting, paint

    random = np.random.default_rng(seed)
    grain = random.normal(0, GRAIN, (GRAINS, height, width, 1)).astype(np.float32)
    wide = width + width // 8
    lamp = np.hypot(*np.meshgrid(np.linspace(-1, 3, wide), np.linspace(-1, 2, height)))[..., None]
    shot, scene = -1, np.zeros(0, np.float32)
    for number, time in enumerate(times):
        if int(time / 1000 / SHOT) != shot:
            shot = int(time / 1000 / SHOT)
            scene = paint(seed, shot, (height, wide), Lighting("night", 0.3)).astype(np.float32)
        share = time / 1000 / SHOT - shot
        kind = shot % 4
        frame = scene[:, round(share * (wide - width)) if kind == 1 else 0 :][:, :width]
        if kind == 0:
            left, top, side = round(share * width), height // 3, height // 4
            frame = frame.copy()
            frame[top : top + side, left : left + side] = (150, 120, 90)
        elif kind == 2:
            frame = frame + 80 * (1 + number // 6 % 2) * np.exp(-4 * lamp[:, :width])
        elif kind == 3:
            frame = frame * min(1.0, 2 * share)
        yield np.clip(frame + grain[number % GRAINS], 0, 255).astype(np.uint8)


def _tone(track: Any, seconds: float, pitch: float) -> list[Any]:
    packets: list[Any] = []
    for start in range(0, round(SAMPLES * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024) * 2 * np.pi * pitch / SAMPLES).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]) / 4, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLES, start, Fraction(1, SAMPLES)
        packets += track.encode(frame)
    return packets + track.encode()


def _lines(stream: Any, seconds: float) -> list[Any]:
    packets = []
    for number in range(max(1, int(seconds / LINE))):
        packet = av.Packet(f"Line {number}".encode())
        packet.stream, packet.time_base, packet.is_keyframe = stream, MILLISECOND, True
        packet.pts = packet.dts = round(1000 * number * LINE)
        packet.duration = 1000
        packets.append(packet)
    return packets

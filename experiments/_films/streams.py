"""The streams of a film, by ffprobe where it is installed, else by PyAV."""

import json
import shutil
import subprocess
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from drujax.errors import UsageError


class Stream(NamedTuple):
    """A stream; the duration in seconds as the container has it."""

    kind: str
    codec: str
    frames: int
    duration: float
    time_base: str
    language: str


def streams(path: Path) -> list[Stream]:
    """Reads the streams of a film. Frames are counted by their packets."""
    return _by_ffprobe(path) if shutil.which("ffprobe") else _by_pyav(path)


def are_same(before: list[Stream], after: list[Stream]) -> bool:
    """Whether streams are the same, but for the duration of the last frame, which Matroska does not store."""
    return len(before) == len(after) and all(
        one._replace(duration=other.duration) == other
        and abs(one.duration - other.duration) <= 1.5 * float(Fraction(one.time_base))
        for one, other in zip(before, after, strict=True)
    )


def packet_times(path: Path) -> list[list[int]]:
    """Reads the presentation times of each stream's packets, ascending."""
    with av.open(str(path)) as container:
        times: list[list[int]] = [[] for _ in container.streams]
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                times[packet.stream_index].append(packet.pts)
    return [sorted(each) for each in times]


def program() -> str:
    """The name of the program that `streams` asks."""
    return "ffprobe" if shutil.which("ffprobe") else "PyAV"


def _by_ffprobe(path: Path) -> list[Stream]:
    entries = "stream=codec_type,codec_name,nb_read_packets,time_base,duration:stream_tags=language,DURATION"
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"ffprobe: {done.stderr.strip()}")
    return [
        Stream(
            each["codec_type"],
            each["codec_name"],
            int(each["nb_read_packets"]),
            _seconds(each.get("duration"), each.get("tags", {})),
            each["time_base"],
            each.get("tags", {}).get("language", ""),
        )
        for each in json.loads(done.stdout)["streams"]
    ]


def _by_pyav(path: Path) -> list[Stream]:
    with av.open(str(path)) as container:
        counts = Counter(packet.stream_index for packet in container.demux() if packet.size)
        return [_of_pyav(each, counts[each.index]) for each in container.streams]


def _of_pyav(stream: Any, frames: int) -> Stream:
    base, metadata = stream.time_base, stream.metadata
    duration = None if stream.duration is None else str(float(stream.duration * base))
    codec = stream.name if stream.codec_context is None else stream.codec_context.codec.canonical_name
    return Stream(
        stream.type,
        codec,
        frames,
        _seconds(duration, metadata),
        f"{base.numerator}/{base.denominator}",
        metadata.get("language", ""),
    )


def _seconds(duration: str | None, tags: dict[str, str]) -> float:
    """The duration of a stream, or that of its tags (Matroska), h:m:s."""
    if duration is not None:
        return float(duration)
    hours, minutes, seconds = tags.get("DURATION", "0:0:0").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)

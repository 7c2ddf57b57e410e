"""Encoders: which one, its settings, and coded frames."""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.codec.context import Flags

from drujax.errors import UsageError
from drujax.films.source import Video

CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
# Encoders by the codec's name.
ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "ffv1": "ffv1",
    "prores": "prores_ks",
}
# Constant quality at which films are hardly distinguishable from their source.
CRF = {"libx264": 17.0, "libx265": 19.0, "libvpx-vp9": 24.0, "libsvtav1": 24.0}
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "medium"},
    "libx265": {"preset": "medium", "x265-params": "log-level=error"},
    "libvpx-vp9": {"deadline": "good", "cpu-used": "3", "row-mt": "1"},
    "libsvtav1": {"preset": "7"},
}
# x264's AVX-512 code for macroblock trees gives other bytes from run to run: 9 of 45 runs on equal frames differed, and
# none with instructions up to AVX2, or without macroblock trees.
REPEATABLE = "asm=AVX2,FMA3,BMI2,LZCNT"
KEYFRAMES = 250  # frames between two keyframes at most
FORMAT = re.compile(r"yuvj?(420|422|444)p(9|10|12|14|16)?(le)?$")
BLOCKS = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}


class Coded(NamedTuple):
    """A coded frame; times in the unit of the film."""

    pts: int
    duration: int
    key: bool
    data: bytes


@dataclasses.dataclass(frozen=True)
class Encoding:
    """An encoder and its settings, by FFmpeg's names. `threads` are part of them: the bytes depend on their number."""

    codec: str
    pix_fmt: str
    options: Mapping[str, str]
    threads: int

    def configure(self, context: Any, video: Video) -> None:
        """Sets up a new encoder of PyAV for a film."""
        context.options = dict(self.options)
        context.width, context.height, context.pix_fmt = video.width, video.height, self.pix_fmt
        context.time_base, context.framerate = video.time_base, video.rate
        context.sample_aspect_ratio = video.aspect or 0
        context.color_range, context.color_primaries = video.range, video.primaries
        context.color_trc, context.colorspace = video.transfer, video.matrix
        context.bit_rate, context.gop_size = 0, KEYFRAMES
        context.thread_count = self.threads
        context.flags |= Flags.global_header
        if video.interlaced:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me


def choose(
    video: Video, container: str, *, codec: str | None = None, crf: float | None = None, pix_fmt: str | None = None
) -> tuple[Encoding, str | None]:
    """Chooses the encoder: that of the film's own codec, or else of the container, that takes the pixel format.

    Args:
        video: the film's.
        container: FFmpeg's name.
        codec: an encoder or a codec by FFmpeg's name.
        crf: constant quality, in the encoder's scale; smaller is better.
        pix_fmt: another depth of samples.

    Returns:
        The encoding, and a line if the codec changes though none was given.

    Raises:
        UsageError: the encoder is unknown, takes no such pixel format or quality, or does not fit the container.
    """
    wanted = pix_fmt or video.pix_fmt
    _check_format(video.pix_fmt, wanted)
    if codec is not None:
        name = ENCODERS.get(codec, codec)
        _check(name, wanted, container, option="--video-codec")
    else:
        usual = ("libvpx-vp9", "libsvtav1") if container == "webm" else ("libx264", "libx265", "libsvtav1")
        candidates = dict.fromkeys([*filter(None, [ENCODERS.get(video.codec)]), *usual])
        name = next((each for each in candidates if _fits(each, wanted, container)), None)
        if name is None:
            raise UsageError(
                f"--pix-fmt: no encoder for {container} takes {wanted}; choose another, or --video-codec=ffv1 and .mkv"
            )
    if crf is not None and not _has_crf(name):
        raise UsageError(f"--crf: the encoder {name} has no constant rate factor")
    quality = CRF.get(name) if crf is None else crf
    options = {**OPTIONS.get(name, {}), **({} if quality is None else {"crf": f"{quality:g}"})}
    if name == "libx264" and _has_avx512():
        options["x264-params"] = REPEATABLE
    if name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only
    written = av.Codec(name, "w").canonical_name
    changed = codec is None and written != video.codec and video.codec in ENCODERS
    note = f"{video.codec} of {wanted} cannot be written to {container} here; written as {written}" if changed else None
    encoding = Encoding(name, wanted, options, threads=os.cpu_count() or 1)
    _open(encoding, video)
    return encoding, note


def new_encoder(encoding: Encoding, video: Video) -> Any:
    """Returns an open encoder of PyAV."""
    context = av.CodecContext.create(encoding.codec, "w")
    encoding.configure(context, video)
    context.open()
    return context


def bits_of(pix_fmt: str) -> int:
    """Returns the bits of a sample of one of the formats of `FORMAT`."""
    match = FORMAT.match(pix_fmt)
    assert match is not None
    return int(match[2] or 8)


def block_of(pix_fmt: str) -> tuple[int, int]:
    """Returns how many rows and columns of luma share a sample of chroma in one of the formats of `FORMAT`."""
    match = FORMAT.match(pix_fmt)
    assert match is not None
    return BLOCKS[match[1]]


def _check_format(given: str, wanted: str) -> None:
    match, other = FORMAT.match(given), FORMAT.match(wanted)
    if match is None:
        raise UsageError(f"its pixel format {given} is not supported; convert it to yuv420p, yuv422p or yuv444p first")
    if other is None or other[1] != match[1] or wanted.startswith("yuvj") != given.startswith("yuvj"):
        raise UsageError(f"--pix-fmt: must be {given} at another depth, such as yuv{match[1]}p10le, got {wanted}")


def _open(encoding: Encoding, video: Video) -> None:
    try:
        new_encoder(encoding, video)
    except (av.FFmpegError, ValueError) as error:
        raise UsageError(
            f"--video-codec: {encoding.codec} does not open for {video.width}x{video.height} {encoding.pix_fmt} with "
            f"{', '.join(f'{name}={value}' for name, value in encoding.options.items()) or 'no options'} ({error})"
        ) from None


def _check(name: str, pix_fmt: str, container: str, *, option: str) -> None:
    try:
        codec = av.Codec(name, "w")
    except (ValueError, av.FFmpegError):
        raise UsageError(f"{option}: no encoder named {name}; for instance {', '.join(ENCODERS)}") from None
    if codec.type != "video":
        raise UsageError(f"{option}: {name} does not encode video")
    formats = _formats(name)
    if pix_fmt not in formats:
        raise UsageError(f"--pix-fmt: {name} does not take {pix_fmt}, but {', '.join(formats)}")
    if not _is_held(name, container):
        raise UsageError(
            f"{option}: {container} does not hold {codec.canonical_name}; choose another container, such as .mkv"
        )


def _fits(name: str, pix_fmt: str, container: str) -> bool:
    try:
        return pix_fmt in _formats(name) and _is_held(name, container)
    except (ValueError, av.FFmpegError):  # FFmpeg without this encoder
        return False


def _formats(name: str) -> list[str]:
    return [each.name for each in av.Codec(name, "w").video_formats or ()]


def _is_held(name: str, container: str) -> bool:
    # An encoder of a codec that the container holds, too, may be missing from the list; its codec's decoder is not.
    canonical = av.Codec(name, "w").canonical_name
    with av.open(os.devnull, "w", format=container) as output:
        return bool({name, canonical} & output.supported_codecs)


def _has_avx512() -> bool:
    """Whether this processor has AVX-512, where Linux tells."""
    try:
        return " avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _has_crf(name: str) -> bool:
    return any(option.name == "crf" for option in av.Codec(name, "w").create().supported_options.private)

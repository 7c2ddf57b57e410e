"""The options of `drujax enhance`, and which of them go together."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from drujax.console import command_line
from drujax.console.option_types import Flag, optional
from drujax.enhance.plan import Job, by_kind
from drujax.errors import UsageError
from drujax.pictures.inputs import MAX_PIXELS, Inputs, MaxPixels, Quiet, Recursive
from drujax.runtime.device_choice import Device

# Options that apply to one kind of input only, and are refused without any of it.
OF_FILMS = ("video_codec", "crf", "pix_fmt", "preview")
OF_PICTURES = ("format", "quality", "contact_sheet")


def _quality(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= 100):
        raise ValueError(f"must be a whole number from 1 to 100, got {word!r}")
    return int(word)


def _jobs(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) >= 1):
        raise ValueError(f"must be a whole number of at least 1, got {word!r}")
    return int(word)


def _crf(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 63:
        raise ValueError(f"must be a number from 0 to 63, got {word!r}")
    return number


def _seconds(word: str) -> float:
    """Parses 10s, 10, 1.5, 2m or 1:30."""
    match = re.fullmatch(r"(?:(\d+):)?(\d+(?:\.\d+)?)(s|m)?", word)
    if match is None or (match[1] and match[3]) or not (seconds := float(match[2]) * (60 if match[3] == "m" else 1)):
        raise ValueError(f"must be a duration such as 10s, 2m or 1:30, got {word!r}")
    return seconds + 60 * int(match[1] or 0)


@dataclasses.dataclass(frozen=True)
class Enhance:
    """Brightens dark pictures and films; size, bit depth, alpha, colour profile and metadata are preserved.

    Frame times, sound, subtitles and chapters of films are preserved, too.
    """

    inputs: Annotated[
        Inputs,
        tyro.conf.arg(
            metavar="INPUT...",
            help="Pictures, films, folders of pictures, patterns such as '*.png', or - for standard input. Links are "
            "followed, hidden files are skipped.",
            help_behavior_hint="",
        ),
    ]
    # Where to write: a file for one picture, a folder for several, or - for standard output. By default results are
    # written next to their inputs, as NAME_enhanced. One input folder is mirrored in the output folder, several become
    # subfolders of it.
    output: Annotated[str | None, optional(str, "PATH"), tyro.conf.arg(aliases=["-o"], help_behavior_hint="")] = None
    # Model to use: a name listed by drujax models, a .safetensors file, or the folder of a training run.
    model: str = "exposure-slim"
    # Strength of the enhancement: 0 none, 1 full, up to 1.5. auto is 1, but makes no picture lighter than bright, and
    # leaves bright ones unchanged.
    strength: command_line.Strength = "auto"
    # Mean luma of the result, 0..255, instead of a strength: as near to it as strengths of 0 to 1.5 come. With auto the
    # strength decides.
    exposure: command_line.Exposure = None
    # Picture that says where to enhance: white in full, black or transparent not at all. Resized to each picture.
    mask: Annotated[Path | None, optional(Path, "FILE"), tyro.conf.arg(help_behavior_hint="")] = None
    # Use the network's own output, computed at full size. By default EnlightenGAN only determines exposure and colour,
    # from a small copy of the picture.
    plain: Flag = False
    # Rounding of the result's levels; floor reproduces the output of SCI's and RUAS's official scripts.
    rounding: Literal["nearest", "floor"] = "nearest"
    # File format of the results. By default that of each input.
    format: Annotated[
        Literal["same", "png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp", "gif", "avif", "tga", "jp2", "jxl", "heic"],
        tyro.conf.arg(metavar="png|jpg|webp|tif|bmp|gif|avif|tga|jp2|jxl|heic", help_behavior_hint=""),
    ] = "same"
    # Quality of lossy results, 1 (smallest files) to 100. By default a JPEG has that of its JPEG, at least 75, WebP has
    # 95, AVIF 90; and what is lossless stays lossless.
    quality: Annotated[int | None, optional(_quality, "1..100"), tyro.conf.arg(help_behavior_hint="")] = None
    # Text added to the results' names before the dot. By default _enhanced next to the inputs, none with -o.
    suffix: Annotated[str | None, optional(str, "TEXT"), tyro.conf.arg(help_behavior_hint="")] = None
    # Encoder or codec of films, by FFmpeg's name: h264, hevc, av1, libx264, ffv1. By default the film's own codec.
    video_codec: Annotated[str | None, optional(str, "NAME"), tyro.conf.arg(help_behavior_hint="")] = None
    # Constant rate factor of the encoder: lower is better, and larger. By default 17 (h264) to 24 (av1).
    crf: Annotated[float | None, optional(_crf, "N"), tyro.conf.arg(help_behavior_hint="")] = None
    # Pixel format of films, to write more bits a sample: yuv420p10le. By default the film's own.
    pix_fmt: Annotated[str | None, optional(str, "NAME"), tyro.conf.arg(help_behavior_hint="")] = None
    # Write only so much from the middle of films, such as 10s.
    preview: Annotated[float | None, optional(_seconds, "TIME"), tyro.conf.arg(help_behavior_hint="")] = None
    # Replace existing results. By default they are kept, and the exit code is 1. Inputs are never replaced.
    overwrite: Flag = False
    # Keep existing results and enhance only what is missing: continues an interrupted run.
    skip_existing: Flag = False
    # Keep running, and enhance pictures that appear or change, until interrupted (Ctrl-C).
    watch: Flag = False
    # Picture to write with small copies of all pictures, before and after.
    contact_sheet: Annotated[Path | None, optional(Path, "FILE"), tyro.conf.arg(help_behavior_hint="")] = None
    # Pictures that are read at a time, ahead of the one that is enhanced, and as many that are written. By default the
    # number of processor cores, at most 4.
    jobs: Annotated[int | None, optional(_jobs, "N"), tyro.conf.arg(help_behavior_hint="")] = None
    # Print what would be written, and write nothing.
    dry_run: Annotated[Flag, tyro.conf.arg(aliases=["-n"], help_behavior_hint="")] = False
    recursive: Recursive = True
    # What computes the network: JAX, or onnxruntime or openvino, which use the CPU and start sooner. auto is
    # onnxruntime where it is installed and JAX has no accelerator.
    runtime: Literal["auto", "jax", "onnxruntime", "openvino"] = "auto"
    # Device to compute on; auto is the fastest that JAX finds.
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS
    quiet: Quiet = False
    # Print a line about each picture, and details of internal errors.
    verbose: Annotated[Flag, tyro.conf.arg(aliases=["-v"], help_behavior_hint="")] = False


def check_options(options: Enhance) -> None:
    """Raises UsageError for options that exclude each other, or are invalid whatever the inputs are."""
    from drujax.enhance.strength import check_exposure, check_strength
    from drujax.pictures.formats import output_format

    check_exposure(options.exposure, check_strength(options.strength))
    given = [flag for flag in ("overwrite", "skip_existing", "watch", "dry_run") if getattr(options, flag)]
    for first, second in (("overwrite", "skip_existing"), ("watch", "dry_run"), ("watch", "skip_existing")):
        if first in given and second in given:
            raise UsageError(f"--{first.replace('_', '-')} and --{second.replace('_', '-')}: give one of them")
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose: give one of them")
    if options.watch and options.contact_sheet is not None:
        raise UsageError("--contact-sheet: is written at the end, which --watch has not")
    if options.contact_sheet is not None:
        output_format(options.contact_sheet)
    if options.runtime in ("onnxruntime", "openvino") and options.device not in ("auto", "cpu"):
        raise UsageError(f"--runtime: {options.runtime} computes on the CPU; --device={options.device} needs jax")
    if not options.inputs:
        raise UsageError("INPUT: give at least one picture or folder")


def check_jobs(options: Enhance, jobs: Sequence[Job]) -> None:
    """Raises UsageError for options that apply to none of the jobs, and a contact sheet that would replace a file."""
    from drujax.enhance.files import check_target
    from drujax.pictures.formats import FORMATS, LOSSY

    pictures, films = by_kind(jobs)
    for names, kind, of_kind in ((OF_FILMS, "films", films), (OF_PICTURES, "pictures", pictures)):
        if not of_kind and (given := given_of(options, names)):
            raise UsageError(f"{given[0]}: applies to {kind} only, and there are none among the inputs")
    formats = sorted({format for job in pictures if (format := FORMATS.get(job.target.suffix.lower())) is not None})
    if options.quality is not None and formats and not LOSSY.intersection(formats):
        raise UsageError(
            f"--quality: applies to lossy formats only, not to {', '.join(formats)}; --format=jpg chooses one"
        )
    if (sheet := options.contact_sheet) is None:
        return
    read = [job.source for job in jobs] + ([] if options.mask is None else [options.mask])
    for path, what in (*((path, "input") for path in read), *((job.target, "result") for job in jobs)):
        if os.path.realpath(path) == os.path.realpath(sheet):
            raise UsageError(f"--contact-sheet: {sheet} would overwrite the {what} {path}; choose another file")
    if sheet.is_file() and not (options.overwrite or options.skip_existing):
        raise UsageError(f"--contact-sheet: {sheet} exists; --overwrite replaces it, --skip-existing keeps it")
    check_target(sheet)


def given_of(options: Enhance, names: Sequence[str]) -> list[str]:
    """Returns the flags of those options that have another value than by default."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) != fields[name].default]

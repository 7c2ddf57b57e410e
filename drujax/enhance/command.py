"""The command `drujax enhance`."""

import contextlib
import dataclasses
import errno
import traceback
from collections import Counter
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from drujax.console import command_line, output
from drujax.console.option_types import Flag, optional
from drujax.errors import UsageError
from drujax.pictures.inputs import MAX_PIXELS, Inputs, MaxPixels, Quiet, Recursive, Reports, limit_pixels
from drujax.runtime.device_choice import Device, on_device

if TYPE_CHECKING:
    from drujax.enhance.files import Job, Outcome

    Outcomes = Generator[Outcome, None, None]


# Causes of a failure that its message explains (None: no exception); others are bugs.
EXPLAINED = (UsageError, OSError, MemoryError, type(None))


def _quality(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= 100):
        raise ValueError(f"must be a whole number from 1 to 100, got {word!r}")
    return int(word)


@dataclasses.dataclass(frozen=True)
class Enhance:
    """Brightens dark pictures; size, bit depth, alpha, colour profile and metadata are preserved."""

    inputs: Inputs
    # Where to write: a file for one picture, a folder for several. By default results are written next to their inputs,
    # as NAME_enhanced. One input folder is mirrored in the output folder, several become subfolders of it.
    output: Annotated[str | None, optional(str, "PATH"), tyro.conf.arg(aliases=["-o"], help_behavior_hint="")] = None
    # Model to use: a name listed by drujax models, a .safetensors file, or the folder of a training run.
    model: str = "exposure-slim"
    # Strength of the enhancement, 0 (none) to 1 (full). auto is 1, but makes no picture lighter than bright, and leaves
    # bright ones unchanged.
    strength: command_line.Strength = "auto"
    # Use the network's own output, computed at full size. By default EnlightenGAN only determines exposure and colour,
    # from a small copy of the picture.
    plain: Flag = False
    # Rounding of the result's levels; floor reproduces the output of SCI's and RUAS's official scripts.
    rounding: Literal["nearest", "floor"] = "nearest"
    # File format of the results. By default that of each input, or PNG for the read-only formats GIF, AVIF and TGA.
    format: Annotated[
        Literal["same", "png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"],
        tyro.conf.arg(metavar="png|jpg|webp|tif|bmp", help_behavior_hint=""),
    ] = "same"
    # Quality of JPEG and WebP results, 1 (smallest files) to 100. By default 95, and lossless WebP stays lossless.
    quality: Annotated[int | None, optional(_quality, "1..100"), tyro.conf.arg(help_behavior_hint="")] = None
    # Text added to the results' names before the dot. By default _enhanced next to the inputs, none with -o.
    suffix: Annotated[str | None, optional(str, "TEXT"), tyro.conf.arg(help_behavior_hint="")] = None
    # Replace existing results. By default they are kept, and the exit code is 1. Inputs are never replaced.
    overwrite: Flag = False
    # Keep existing results and enhance only what is missing: continues an interrupted run.
    skip_existing: Flag = False
    # Print what would be written, and write nothing.
    dry_run: Annotated[Flag, tyro.conf.arg(aliases=["-n"], help_behavior_hint="")] = False
    recursive: Recursive = True
    # Device to compute on; auto is the fastest that JAX finds.
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS
    quiet: Quiet = False
    # Print a line about each picture, and details of internal errors.
    verbose: Annotated[Flag, tyro.conf.arg(aliases=["-v"], help_behavior_hint="")] = False


def run(options: Enhance) -> int:
    """Enhances the pictures; returns the exit code, 1 if some were not enhanced.

    Raises:
        UsageError: the options are invalid, or the only picture cannot be enhanced.
        OSError: the only input cannot be read.
    """
    from drujax.enhance.plan import plan_jobs

    _check(options)
    limit_pixels(options.max_pixels)
    reports = Reports(quiet=options.quiet)
    jobs = plan_jobs(
        options.inputs,
        options.output,
        suffix=options.suffix,
        format=None if options.format == "same" else options.format,
        recursive=options.recursive,
        skipped=reports.skipped,
    )
    reports.fail_folders()
    outcomes = _dry_run(jobs, options) if options.dry_run else _enhanced(jobs, options)
    counts = _report(outcomes, jobs, options, reports)
    if not options.quiet:
        output.say(_summary(counts, jobs, options))
    code = reports.close()
    return 1 if counts["exists"] and not options.skip_existing else code


def _check(options: Enhance) -> None:
    from drujax.enhance.strength import check_strength

    check_strength(options.strength)
    if options.overwrite and options.skip_existing:
        raise UsageError("--overwrite and --skip-existing: give one of them")
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose: give one of them")
    if not options.inputs:
        raise UsageError("INPUT: give at least one picture or folder")


def _dry_run(jobs: Sequence["Job"], options: Enhance) -> "Outcomes":
    from drujax.enhance.files import Outcome, early_outcome

    for job in jobs:
        yield early_outcome(job, overwrite=options.overwrite) or Outcome(job, "enhanced")


def _enhanced(jobs: Sequence["Job"], options: Enhance) -> "Outcomes":
    with on_device(options.device):
        from drujax.enhance.enhancer import Enhancer
        from drujax.enhance.files import enhance_files
        from drujax.pictures.streaming import Stream
        from drujax.runtime.compile_cache import enable_compilation_cache
        from drujax.runtime.malloc import return_freed_memory

        enable_compilation_cache()
        enhancer = Enhancer(options.model, guided=False if options.plain else None, rounding=options.rounding)

        def enhance(picture: Any) -> Any:
            if isinstance(picture, Stream):
                return_freed_memory()
                return enhancer.stream(picture, options.strength)
            return enhancer.picture(picture, options.strength)

        yield from enhance_files(
            jobs,
            enhance,
            streams=enhancer.guided,
            overwrite=options.overwrite,
            quality=options.quality,
        )


def _report(outcomes: "Outcomes", jobs: Sequence["Job"], options: Enhance, reports: Reports) -> Counter[str]:
    """Reports each outcome; returns the counts by status."""
    counts: Counter[str] = Counter()
    alone = len(jobs) == 1 and len(options.inputs) == 1 and not options.inputs[0].is_dir()
    with contextlib.closing(outcomes), reports.progress("enhancing", len(jobs)) as progress:
        try:
            for outcome in outcomes:
                if alone:
                    _raise_failure(outcome, options)
                counts[outcome.status] += 1
                progress.to(counts.total())
                _report_one(outcome, options, reports)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            written = counts["enhanced"] + counts["unchanged"]
            raise UsageError(
                f"{error.filename}: no space left on the disk; {written} of {len(jobs)} pictures are written. "
                "With more space, --skip-existing continues."
            ) from error
    return counts


def _raise_failure(outcome: "Outcome", options: Enhance) -> None:
    """Raises the error of the only picture."""
    if outcome.status == "exists" and not options.skip_existing:
        raise UsageError(f"{outcome.job.target}: exists; --overwrite replaces it, --skip-existing accepts it")
    if outcome.error is None:
        return
    if isinstance(outcome.cause, EXPLAINED):
        raise UsageError(outcome.error) from outcome.cause
    raise outcome.cause


def _report_one(outcome: "Outcome", options: Enhance, reports: Reports) -> None:
    job = outcome.job
    if outcome.error is not None:
        reports.fail(job.source, outcome.error)
        if options.verbose and not isinstance(outcome.cause, EXPLAINED):
            for line in "".join(traceback.format_exception(outcome.cause)).splitlines():
                reports.say(line)
        return
    if options.dry_run and not options.quiet:
        output.say(f"{job.source} -> {job.target}{' (exists)' if outcome.status == 'exists' else ''}")
    elif options.verbose:
        reports.say(f"{outcome.status}: {job.source} -> {job.target}")
    if options.quiet:
        return
    if job.note is not None:
        reports.say(job.note)
    if outcome.dropped:
        reports.say(f"{job.target}: written without {', '.join(outcome.dropped)}")


def _summary(counts: Counter[str], jobs: Sequence["Job"], options: Enhance) -> str:
    where = jobs[0].target if len(jobs) == 1 else options.output or "next to the inputs"
    bright = "already bright (--strength=1 enhances them, too)" if options.strength == "auto" else "unchanged"
    exist = "existing" if options.skip_existing else "existing (--overwrite replaces them)"
    words = {
        "enhanced": "would be enhanced" if options.dry_run else "enhanced",
        "unchanged": bright,
        "exists": exist,
        "failed": "failed",
    }
    return f"{where}: {', '.join(f'{counts[status]} {word}' for status, word in words.items() if counts[status])}"

"""The command `drujax enhance`."""

import contextlib
import dataclasses
import errno
import functools
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from drujax.console import command_line, output
from drujax.console.option_types import Flag, optional
from drujax.errors import UsageError
from drujax.pictures.discovery import NoPictures
from drujax.pictures.inputs import MAX_PIXELS, Inputs, MaxPixels, Quiet, Recursive, Reports, limit_pixels
from drujax.runtime.device_choice import Device, on_device

if TYPE_CHECKING:
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.files import Job, Outcome

    Outcomes = Generator[Outcome, None, None]

# Options that apply to one kind of input only, and are refused without any of it.
OF_FILMS = ("video_codec", "crf", "pix_fmt", "preview")
OF_PICTURES = ("format", "quality", "contact_sheet")

# Causes of a failure that its message explains (None: no exception); others are bugs.
EXPLAINED = (UsageError, OSError, MemoryError, type(None))


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


def run(options: Enhance) -> int:
    """Enhances the pictures; returns the exit code, 1 if some were not enhanced.

    Raises:
        UsageError: the options are invalid, or the only picture cannot be enhanced.
        OSError: the only input cannot be read.
    """
    from drujax.enhance.standard_streams import STANDARD, through_files

    _check(options)
    limit_pixels(options.max_pixels)
    if options.watch:
        return _watch(options)
    silent = options.output == STANDARD or (options.output is None and STANDARD in map(str, options.inputs))
    with through_files(options.inputs, options.output) as (inputs, target):
        given = dataclasses.replace(options, inputs=tuple(inputs), output=target, quiet=options.quiet or silent)
        return _run(given)


def _run(options: Enhance) -> int:
    reports = Reports(quiet=options.quiet)
    jobs = _plan(options, reports)
    reports.fail_folders()
    _check_jobs(options, jobs)
    if options.dry_run:
        counts = _report(functools.partial(_dry_run, options=options), jobs, options, reports)
    else:
        with _enhancing(options, reports) as enhanced:
            counts = _report(enhanced, jobs, options, reports)
    if not options.quiet:
        output.say(_summary(counts, jobs, options))
    code = reports.close()
    return 1 if counts["exists"] and not options.skip_existing else code


def _watch(options: Enhance) -> int:
    """Enhances what appears or changes, until it is interrupted."""
    from drujax.enhance.watch import watched

    for path in options.inputs:
        if not path.is_dir():
            raise UsageError(f"--watch: {path} is not a folder")
    if given := _given(options, OF_FILMS):
        raise UsageError(f"{given[0]}: applies to films only, which are not taken from folders")
    reports = Reports(quiet=options.quiet)
    options = dataclasses.replace(options, overwrite=True)  # only of what is older than its picture
    with _enhancing(options, reports) as enhanced:
        if not options.quiet:
            output.say(f"watching {', '.join(map(str, options.inputs))}; Ctrl-C ends")
            output.flush()
        for jobs in watched(lambda: _plan_if_any(options)):
            for outcome in enhanced(jobs):
                _report_one(outcome, options, reports)
                if outcome.error is None and not options.quiet:
                    output.say(f"{outcome.status}: {outcome.job.target}")
                    output.flush()
    return 0


def _plan(options: Enhance, reports: Reports) -> "list[Job]":
    from drujax.enhance.plan import plan_jobs

    return plan_jobs(
        options.inputs,
        options.output,
        suffix=options.suffix,
        format=None if options.format == "same" else options.format,
        recursive=options.recursive,
        skipped=reports.skipped,
        also_read=() if options.mask is None else (options.mask,),
    )


def _plan_if_any(options: Enhance) -> "list[Job]":
    """The jobs of what there is now; none while a folder is still empty."""
    try:
        return _plan(options, Reports(quiet=True))
    except NoPictures:
        return []


def _check(options: Enhance) -> None:
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


def _check_jobs(options: Enhance, jobs: "Sequence[Job]") -> None:
    """Raises UsageError for options that apply to none of the jobs, and a contact sheet that would replace a file."""
    from drujax.enhance.files import check_target
    from drujax.pictures.formats import FORMATS, LOSSY

    pictures, films = _by_kind(jobs)
    for names, kind, of_kind in ((OF_FILMS, "films", films), (OF_PICTURES, "pictures", pictures)):
        if not of_kind and (given := _given(options, names)):
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
    if _exists(sheet) and not (options.overwrite or options.skip_existing):
        raise UsageError(f"--contact-sheet: {sheet} exists; --overwrite replaces it, --skip-existing keeps it")
    check_target(sheet)


def _given(options: Enhance, names: Sequence[str]) -> list[str]:
    """Returns the flags of those options that have another value than by default."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) != fields[name].default]


def _exists(path: Path | None) -> bool:
    return path is not None and path.is_file()


def _dry_run(jobs: Sequence["Job"], options: Enhance) -> "Outcomes":
    from drujax.enhance.files import Outcome, early_outcome

    for job in jobs:
        yield early_outcome(job, overwrite=options.overwrite) or Outcome(job, "enhanced")


@contextlib.contextmanager
def _enhancing(options: Enhance, reports: Reports) -> "Iterator[Callable[[Sequence[Job]], Outcomes]]":
    """Loads the model; yields what enhances jobs, and writes the contact sheet of all."""
    runtime = "jax" if options.runtime == "auto" and options.device in ("gpu", "tpu") else options.runtime
    with on_device(options.device if runtime in ("auto", "jax") else "auto"):
        from drujax.enhance.contact_sheet import ContactSheet
        from drujax.enhance.enhancer import Enhancer
        from drujax.enhance.files import enhance_files, enhance_films
        from drujax.enhance.mask import read_mask
        from drujax.pictures.series import Series
        from drujax.pictures.streaming import Stream
        from drujax.runtime.malloc import return_freed_memory

        mask = None if options.mask is None else read_mask(options.mask)
        enhancer = Enhancer(
            options.model,
            guided=False if options.plain else None,
            rounding=options.rounding,
            runtime=runtime,
        )
        if enhancer.runtime == "jax":
            from drujax.runtime.compile_cache import enable_compilation_cache

            enable_compilation_cache()
        sheet = ContactSheet()
        keeps_sheet = options.skip_existing and _exists(options.contact_sheet)
        draws = options.contact_sheet is not None and not keeps_sheet

        def enhance(picture: Any) -> Any:
            amount = {"strength": options.strength, "exposure": options.exposure, "mask": mask}
            if isinstance(picture, Stream):
                return_freed_memory()
                return enhancer.stream(picture, **amount)
            if isinstance(picture, Series):
                return enhancer.series(picture, **amount)
            return enhancer.picture(picture, **amount)

        def show(job: "Job", before: Any, after: Any) -> None:
            sheet.add(job.source.name, before, after)

        def enhanced(jobs: Sequence["Job"]) -> "Outcomes":
            pictures, films = _by_kind(jobs)
            yield from enhance_films(films, _film_enhancement(enhancer, options, mask), overwrite=options.overwrite)
            yield from enhance_files(
                pictures,
                enhance,
                streams=enhancer.streams,
                overwrite=options.overwrite,
                quality=options.quality,
                at_once=options.jobs or min(os.cpu_count() or 1, 4),
                on_enhanced=show if draws else _nothing,
            )

        yield enhanced
        if keeps_sheet:
            reports.say(f"{options.contact_sheet}: exists, and is kept")
        if draws and options.contact_sheet is not None:
            sheet.write(options.contact_sheet)
            if sheet.left_out:
                reports.say(f"{options.contact_sheet}: {sheet.left_out} more pictures are not shown")


def _nothing(*_: Any) -> None:
    pass


def _by_kind(jobs: Sequence["Job"]) -> "tuple[list[Job], list[Job]]":
    """Returns the jobs of pictures, and those of films."""
    from drujax.pictures.formats import is_film

    return [job for job in jobs if not is_film(job.source)], [job for job in jobs if is_film(job.source)]


def _film_enhancement(enhancer: "Enhancer", options: Enhance, mask: Any) -> "Callable[[Path, Path], tuple[str, ...]]":
    def enhance(source: Path, target: Path) -> tuple[str, ...]:
        from drujax.enhance.amount import checked_amount
        from drujax.enhance.film.files import FilmOptions, enhance_film

        given = FilmOptions(options.video_codec, options.crf, options.pix_fmt, options.preview)
        amount = checked_amount(options.strength, options.exposure, mask)
        return enhance_film(source, target, enhancer, amount, given, quiet=options.quiet)

    return enhance


def _report(
    outcomes_of: "Callable[[Sequence[Job]], Outcomes]", jobs: Sequence["Job"], options: Enhance, reports: Reports
) -> Counter[str]:
    """Carries out the jobs, pictures first, and reports each outcome; returns the counts by status."""
    counts: Counter[str] = Counter()
    alone = len(jobs) == 1 and len(options.inputs) == 1 and not options.inputs[0].is_dir()
    pictures, films = _by_kind(jobs)
    # A film shows its own progress.
    for part, progress in ((pictures, reports.progress("enhancing", len(pictures))), (films, None)):
        if not part:
            continue
        with contextlib.closing(outcomes_of(part)) as outcomes, progress or contextlib.nullcontext() as shown:
            try:
                for outcome in outcomes:
                    if alone:
                        _raise_failure(outcome, options)
                    counts[outcome.status] += 1
                    if shown is not None:
                        shown.to(counts.total())
                    _report_one(outcome, options, reports)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise UsageError(
                    f"{error.filename}: no space left on the disk. Results that are there are complete; "
                    "with more space, --skip-existing continues."
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
    for note in outcome.notes:
        reports.say(note)
    if outcome.dropped:
        reports.say(f"{job.target}: written without {', '.join(outcome.dropped)}")


def _summary(counts: Counter[str], jobs: Sequence["Job"], options: Enhance) -> str:
    where = jobs[0].target if len(jobs) == 1 else options.output or "next to the inputs"
    by_default = options.strength == "auto" and options.exposure is None
    bright = "already bright (--strength=1 enhances them, too)" if by_default else "unchanged"
    exist = "existing" if options.skip_existing else "existing (--overwrite replaces them)"
    words = {
        "enhanced": "would be enhanced" if options.dry_run else "enhanced",
        "unchanged": bright,
        "exists": exist,
        "failed": "failed",
    }
    return f"{where}: {', '.join(f'{counts[status]} {word}' for status, word in words.items() if counts[status])}"

"""The command `drujax enhance`."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drujax.console import output
from drujax.enhance.options import OF_FILMS, Enhance, check_jobs, check_options, given_of
from drujax.enhance.plan import Job, by_kind, plan_jobs
from drujax.enhance.report import report, report_one, summary, with_mask
from drujax.errors import UsageError, describe
from drujax.pictures.discovery import NoPictures
from drujax.pictures.inputs import Reports, limit_pixels
from drujax.runtime.device_choice import on_device

if TYPE_CHECKING:
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.report import Outcomes


def run(options: Enhance) -> int:
    """Enhances the pictures; returns the exit code, 1 if some were not enhanced.

    Raises:
        UsageError: the options are invalid, or the only picture cannot be enhanced.
        OSError: the only input cannot be read.
    """
    from drujax.enhance.standard_streams import through_files

    check_options(options)
    limit_pixels(options.max_pixels)
    if options.watch:
        return _watch(options)
    with through_files(options.inputs, options.output) as files:
        # With a picture on standard output, what a command did is not said unless it is asked for.
        reports = Reports(
            quiet=options.quiet or not files.stdout_is_free, stdout=files.stdout_is_free, named=files.named
        )
        return _run(dataclasses.replace(options, inputs=tuple(files.inputs), output=files.target), reports)


def _run(options: Enhance, reports: Reports) -> int:
    jobs = _plan(options, reports)
    reports.fail_folders()
    check_jobs(options, jobs)
    if options.dry_run:
        counts = report(functools.partial(_dry_run, options=options), jobs, options, reports)
    else:
        with _enhancing(options, reports) as enhanced:
            counts = report(enhanced, jobs, options, reports)
    if not (options.quiet if options.dry_run else reports.quiet):
        reports.result(summary(counts, jobs, options))
    code = reports.close()
    return 1 if counts["exists"] and not options.skip_existing else code


def _watch(options: Enhance) -> int:
    """Enhances what appears or changes, until it is interrupted."""
    from drujax.enhance.watch import watched

    for path in options.inputs:
        if not path.is_dir():
            raise UsageError(f"--watch: {path} is not a folder")
    if given := given_of(options, OF_FILMS):
        raise UsageError(f"{given[0]}: applies to films only, which are not taken from folders")
    reports = Reports(quiet=options.quiet)
    options = dataclasses.replace(options, overwrite=True)  # only of what is older than its picture
    with _enhancing(options, reports) as enhanced:
        if not options.quiet:
            output.say(f"watching {', '.join(map(str, options.inputs))}; Ctrl-C ends")
            output.flush()
        for jobs in watched(lambda: _plan_if_any(options)):
            for outcome in map(functools.partial(with_mask, options=options), enhanced(jobs)):
                report_one(outcome, options, reports)
                if outcome.error is None and not options.quiet:
                    output.say(f"{outcome.status}: {outcome.job.target}")
                    output.flush()
    return 0


def _plan(options: Enhance, reports: Reports) -> list[Job]:
    return plan_jobs(
        options.inputs,
        options.output,
        suffix=options.suffix,
        format=None if options.format == "same" else options.format,
        recursive=options.recursive,
        skipped=reports.skipped,
        also_read=() if options.mask is None else (options.mask,),
    )


def _plan_if_any(options: Enhance) -> list[Job]:
    """The jobs of what there is now; none while a folder is still empty."""
    try:
        return _plan(options, Reports(quiet=True))
    except NoPictures:
        return []


def _dry_run(jobs: Sequence[Job], options: Enhance) -> "Outcomes":
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
        from drujax.pictures.series import Series
        from drujax.pictures.streaming import Stream
        from drujax.runtime.malloc import return_freed_memory

        mask = None if options.mask is None else _read_mask(options.mask)
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
        path = options.contact_sheet
        keeps_sheet = options.skip_existing and path is not None and path.is_file()
        draws = path is not None and not keeps_sheet

        def enhance(picture: Any) -> Any:
            amount = {"strength": options.strength, "exposure": options.exposure, "mask": mask}
            if isinstance(picture, Stream):
                return_freed_memory()
                return enhancer.stream(picture, **amount)
            if isinstance(picture, Series):
                return enhancer.series(picture, **amount)
            return enhancer.picture(picture, **amount)

        def show(job: Job, before: Any, after: Any) -> None:
            sheet.add(job.source.name, before, after)

        def enhanced(jobs: Sequence[Job]) -> "Outcomes":
            pictures, films = by_kind(jobs)
            yield from enhance_films(
                films, _film_enhancement(enhancer, options, mask, quiet=reports.quiet), overwrite=options.overwrite
            )
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
            reports.say(f"{path}: exists, and is kept")
        if draws and path is not None:
            sheet.write(path)
            if sheet.left_out:
                reports.say(f"{path}: {sheet.left_out} more pictures are not shown")


def _read_mask(path: Path) -> Any:
    """Returns the mask in a file. Raises UsageError that names the option and the file."""
    from drujax.enhance.mask import read_mask

    try:
        return read_mask(path)
    except (UsageError, OSError) as error:
        raise UsageError(f"--mask: {describe(error)}") from error


def _nothing(*_: Any) -> None:
    pass


def _film_enhancement(
    enhancer: "Enhancer", options: Enhance, mask: Any, *, quiet: bool
) -> "Callable[[Path, Path], tuple[str, ...]]":
    def enhance(source: Path, target: Path) -> tuple[str, ...]:
        from drujax.enhance.amount import checked_amount
        from drujax.enhance.film.files import FilmOptions, enhance_film

        given = FilmOptions(options.video_codec, options.crf, options.pix_fmt, options.preview)
        amount = checked_amount(options.strength, options.exposure, mask)
        return enhance_film(source, target, enhancer, amount, given, quiet=quiet)

    return enhance

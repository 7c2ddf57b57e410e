"""What `drujax enhance` prints: the outcome of each picture, and how many there were of each kind."""

import contextlib
import dataclasses
import errno
import functools
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from drujax.enhance.options import Enhance
from drujax.enhance.plan import Job, by_kind
from drujax.errors import UsageError
from drujax.pictures.inputs import Reports

if TYPE_CHECKING:
    from drujax.enhance.files import Outcome

    Outcomes = Generator[Outcome, None, None]

# Causes of a failure that its message explains (None: no exception); others are bugs.
EXPLAINED = (UsageError, OSError, MemoryError, type(None))


def report(
    outcomes_of: "Callable[[Sequence[Job]], Outcomes]", jobs: Sequence[Job], options: Enhance, reports: Reports
) -> Counter[str]:
    """Carries out the jobs, pictures first, and reports each outcome; returns the counts by status."""
    counts: Counter[str] = Counter()
    alone = len(jobs) == 1 and len(options.inputs) == 1 and not options.inputs[0].is_dir()
    pictures, films = by_kind(jobs)
    # A film shows its own progress.
    for part, progress in ((pictures, reports.progress("enhancing", len(pictures))), (films, None)):
        if not part:
            continue
        with contextlib.closing(outcomes_of(part)) as outcomes, progress or contextlib.nullcontext() as shown:
            try:
                for outcome in map(functools.partial(with_mask, options=options), outcomes):
                    if alone:
                        _raise_failure(outcome, options)
                    counts[outcome.status] += 1
                    if shown is not None:
                        shown.to(counts.total())
                    report_one(outcome, options, reports)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise UsageError(
                    f"{error.filename}: no space left on the disk. Results that are there are complete; "
                    "with more space, --skip-existing continues."
                ) from error
    return counts


def with_mask(outcome: "Outcome", options: Enhance) -> "Outcome":
    """Returns the outcome; an error of the mask, which follows the name of its picture, names the mask's file."""
    if outcome.error is None or options.mask is None:
        return outcome
    prefix = f"{outcome.job.source}: "
    error = outcome.error.replace(f"{prefix}mask: ", f"{prefix}--mask: {options.mask}: ", 1)
    return dataclasses.replace(outcome, error=error)


def _raise_failure(outcome: "Outcome", options: Enhance) -> None:
    """Raises the error of the only picture."""
    if outcome.status == "exists" and not options.skip_existing:
        raise UsageError(f"{outcome.job.target}: exists; --overwrite replaces it, --skip-existing accepts it")
    if outcome.error is None:
        return
    if isinstance(outcome.cause, EXPLAINED):
        raise UsageError(outcome.error) from outcome.cause
    raise outcome.cause


def report_one(outcome: "Outcome", options: Enhance, reports: Reports) -> None:
    """Prints what is to be said about an outcome."""
    job = outcome.job
    if outcome.error is not None:
        reports.fail(job.source, outcome.error)
        if options.verbose and not isinstance(outcome.cause, EXPLAINED):
            for line in "".join(traceback.format_exception(outcome.cause)).splitlines():
                reports.say(line)
        return
    if options.dry_run and not options.quiet:
        reports.result(f"{job.source} -> {job.target}{' (exists)' if outcome.status == 'exists' else ''}")
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


def summary(counts: Counter[str], jobs: Sequence[Job], options: Enhance) -> str:
    """Returns the last line: where the results are, and the counts by status in words."""
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

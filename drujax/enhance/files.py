"""Enhancing files and folders: which output belongs to which input, and the pictures in order, bad ones told.

Reading and writing run in threads beside the network, a few pictures ahead of it and behind.
"""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from drujax.errors import UsageError
from drujax.pictures.discovery import pictures_of
from drujax.pictures.formats import output_format, output_suffix
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import remove_leftovers, write_atomically

MARK = "_enhanced"
AHEAD = 2  # pictures read before the network wants them, and written after it is done with them


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture: read from `source`, written to `target`."""

    source: Path
    target: Path


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job: its picture was written, was `skipped` because its target exists, or has an `error`: the
    one line that says why nothing was written.
    """

    job: Job
    skipped: bool = False
    error: str | None = None
    dropped: tuple[str, ...] = ()  # what of the source the target does not hold, see write_picture


def plan(inputs: Sequence[str | Path], output: str | Path | None = None) -> list[Job]:
    """What is to be enhanced, and where to.

    A folder stands for all pictures in it, recursively. Without `output` the results lie beside their inputs as
    <stem>_enhanced<suffix>, and such results of an earlier run are no inputs. With several inputs or a folder
    `output` is a folder, which mirrors the inputs' folders; with one file it is a file, or a folder where it exists or
    has no suffix. GIF becomes PNG.

    Raises:
        UsageError: an input that does not exist, a folder without pictures, an output of an unknown format, two inputs
            with one output, an output that would overwrite an input.
    """
    to_folder = output is not None and str(output).endswith(("/", os.sep))
    output = Path(output) if output is not None else None
    alone = len(inputs) == 1 and not to_folder
    jobs = []
    for path in map(Path, inputs):
        sources = pictures_of(path)
        if path.is_dir():
            jobs += _folder_jobs(path, sources, output)
        else:
            jobs.append(Job(path, _target(path, Path(path.name), output, alone=alone)))
    if output is not None and output.is_file() and (len(inputs) > 1 or Path(inputs[0]).is_dir()):
        raise UsageError(f"-o: {output} is a file, but several pictures need a folder.")
    _refuse_collisions(jobs)
    return jobs


def enhance_files(
    jobs: Sequence[Job], enhance: Callable[[Picture], Picture], *, skip_existing: bool = False
) -> Iterator[Outcome]:
    """Carries the jobs out, in order; folders are made as needed, and rid of what killed runs left.

    A picture that `enhance` hands back as it is (the same object) is copied. Those that cannot be read, enhanced or
    held by the format of their output are told in their outcome; the others are done.

    Raises:
        OSError: an output cannot be written (a full disk, no permission), which would meet the next ones as well.
    """
    for folder in {job.target.parent for job in jobs}:
        remove_leftovers(folder)
    reading: collections.deque[Future] = collections.deque()
    writing: collections.deque[Future] = collections.deque()
    todo = iter(jobs)
    with ThreadPoolExecutor(AHEAD) as readers, ThreadPoolExecutor(AHEAD) as writers:
        try:
            while True:
                while len(reading) <= AHEAD and (job := next(todo, None)) is not None:
                    reading.append(readers.submit(_read, job, skip_existing=skip_existing))
                if not reading:
                    break
                outcome, picture = reading.popleft().result()
                outcome, enhanced = _enhanced(outcome, picture, enhance)
                writing.append(writers.submit(_write, outcome, enhanced, unchanged=enhanced is picture))
                del picture, enhanced
                if len(writing) > AHEAD:
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        finally:
            for future in (*reading, *writing):
                future.cancel()


def _read(job: Job, *, skip_existing: bool) -> tuple[Outcome, Picture | None]:
    """The outcome so far, and the picture where there is something to be done with it."""
    if skip_existing and job.target.exists():
        return Outcome(job, skipped=True), None
    try:
        return Outcome(job), read_picture(job.source)
    except (UsageError, OSError) as error:
        return Outcome(job, error=str(error)), None


def _enhanced(outcome: Outcome, picture: Picture | None, enhance: Callable) -> tuple[Outcome, Picture | None]:
    if picture is None:
        return outcome, None
    try:
        return outcome, enhance(picture)
    except UsageError as error:
        return Outcome(outcome.job, error=f"{outcome.job.source}: {error}"), None


def _write(outcome: Outcome, picture: Picture | None, *, unchanged: bool) -> Outcome:
    if picture is None:
        return outcome
    source, target = outcome.job.source, outcome.job.target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if unchanged and source.suffix.lower() == target.suffix.lower():
            write_atomically(target, source.read_bytes())  # coding a JPEG again would lose a little
        else:
            return dataclasses.replace(outcome, dropped=write_picture(target, picture))
    except UsageError as error:
        return Outcome(outcome.job, error=str(error))
    return outcome


def _folder_jobs(folder: Path, sources: list[Path], output: Path | None) -> list[Job]:
    if output is not None:  # an output folder inside the input holds results of an earlier run
        inside = output.resolve()
        sources = [path for path in sources if inside not in path.resolve().parents or inside == folder.resolve()]
    jobs = [Job(path, _target(path, path.relative_to(folder), output, alone=False)) for path in sources]
    if output is None:
        results = {job.target for job in jobs}
        jobs = [job for job in jobs if job.source not in results]
    if not jobs:
        raise UsageError(f"{folder}: no pictures in this folder but those of the output.")
    return jobs


def _target(source: Path, relative: Path, output: Path | None, *, alone: bool) -> Path:
    suffix = output_suffix(source)
    if output is None:
        target = source.with_name(source.stem + MARK + suffix)
    elif alone and output.suffix and not output.is_dir():
        target = output
    else:
        target = output / relative.with_suffix(suffix)
    output_format(target)
    return target


def _refuse_collisions(jobs: list[Job]) -> None:
    inputs = {os.path.realpath(job.source): job.source for job in jobs}
    outputs: dict[str, Path] = {}
    for job in jobs:
        target = os.path.realpath(job.target)
        if target in inputs:
            raise UsageError(f"-o: {job.target} would overwrite the input {inputs[target]}; choose another output.")
        if target in outputs:
            raise UsageError(f"-o: {outputs[target]} and {job.source} would both be written to {job.target}.")
        outputs[target] = job.source

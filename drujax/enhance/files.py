"""Enhances the planned files in order; the failure of one does not stop the others.

Reading and writing run in threads, a few pictures ahead of the network and behind it: while one is enhanced, others are
decoded and encoded.
"""

import collections
import contextlib
import dataclasses
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from drujax.enhance.plan import Job
from drujax.errors import UsageError, describe
from drujax.pictures.formats import FORMATS
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.pictures.series import Series, open_series, write_series
from drujax.pictures.stored import Several
from drujax.pictures.streaming import Stream, open_stream, write_stream
from drujax.runtime.atomic_write import remove_leftovers, replacing

FULL = (errno.ENOSPC, errno.EDQUOT)

Status = Literal["enhanced", "unchanged", "exists", "failed"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    The status is "enhanced" or "unchanged" if the result was written, "exists" if an existing file was kept, and
    "failed" with the message `error`. `cause` is the exception, if any; `dropped` lists what the target does not hold
    (see `write_picture`), `notes` are further lines.
    """

    job: Job
    status: Status
    error: str | None = None
    cause: Exception | None = None
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def enhance_files(
    jobs: Sequence[Job],
    enhance: Callable[[Any], Any],
    *,
    streams: bool = False,
    overwrite: bool = False,
    quality: int | None = None,
    at_once: int = 2,
    on_enhanced: Callable[[Job, Any, Any], None] = lambda job, before, after: None,
) -> Iterator[Outcome]:
    """Runs the jobs in order; creates folders as needed, and removes temporary files of killed runs.

    If `enhance` returns the same object, the file is copied. Errors in reading, enhancing or writing a picture are
    reported in its outcome and do not stop the others.

    Args:
        jobs: from `plan_jobs`.
        enhance: returns the enhanced `Picture`, `Stream` or `Series`, or the same object.
        streams: whether `enhance` also takes streams, as which large files are then read (`drujax.pictures.streaming`).
        overwrite: replace existing files; otherwise they are kept, and their pictures are not read.
        quality: of JPEG and WebP, see `write_picture`.
        at_once: pictures that are read at a time, ahead of the one that is enhanced, and as many that are written.
        on_enhanced: called with each picture before and after.

    Raises:
        OSError: the disk is full, which would affect the next pictures too.
    """
    for folder in {job.target.parent for job in jobs}:
        with contextlib.suppress(OSError):  # leftovers are harmless
            remove_leftovers(folder)
    reading: collections.deque[Future] = collections.deque()
    writing: collections.deque[Future] = collections.deque()
    todo = iter(jobs)
    with ThreadPoolExecutor(at_once) as readers, ThreadPoolExecutor(at_once) as writers:
        try:
            while True:
                while len(reading) <= at_once and (job := next(todo, None)) is not None:
                    reading.append(readers.submit(_read, job, overwrite=overwrite, streams=streams))
                if not reading:
                    break
                work = _enhanced(reading.popleft().result(), enhance, on_enhanced)
                writing.append(writers.submit(_write, work, quality=quality))
                del work
                if len(writing) > at_once:
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        finally:
            for future in (*reading, *writing):
                future.cancel()


def enhance_films(
    jobs: Sequence[Job], enhance: Callable[[Path, Path], tuple[str, ...]], *, overwrite: bool = False
) -> Iterator[Outcome]:
    """Runs the jobs of films one after the other; the failure of one does not stop the others.

    Args:
        jobs: from `plan_jobs`.
        enhance: writes the enhanced film of a path to another path; returns notes (`film.files.enhance_film`).
        overwrite: replace existing films.

    Raises:
        ModuleNotFoundError: PyAV is missing.
    """
    for job in jobs:
        outcome = early_outcome(job, overwrite=overwrite)
        if outcome is None:
            with contextlib.suppress(OSError):
                remove_leftovers(job.target.parent)
            try:
                outcome = Outcome(job, "enhanced", notes=enhance(job.source, job.target))
            except ModuleNotFoundError:
                raise
            except Exception as error:
                outcome = _failed(job, error)
        yield outcome


def early_outcome(job: Job, *, overwrite: bool) -> Outcome | None:
    """Returns the outcome of a job if it is known without reading the picture, else None."""
    if job.error is not None:
        return Outcome(job, "failed", job.error)
    if not overwrite and os.path.isfile(job.target):
        return Outcome(job, "exists")
    try:
        check_target(job.target)
    except OSError as error:
        return _failed(job, error)
    return None


@dataclasses.dataclass(frozen=True)
class _Work:
    """A picture that was read, or enhanced, and is not written yet."""

    job: Job
    picture: Picture | Stream | Series
    changed: bool = False


def _read(job: Job, *, overwrite: bool, streams: bool) -> _Work | Outcome:
    outcome = early_outcome(job, overwrite=overwrite)
    if outcome is not None:
        return outcome
    try:
        stream = open_stream(job.source, job.target) if streams else None
        return _Work(job, _held(job) if stream is None else stream)
    except Exception as error:
        return _failed(job, error)


def _held(job: Job) -> Picture | Series:
    try:
        return read_picture(job.source)
    except Several:
        return open_series(job.source, job.target)


def _enhanced(
    work: _Work | Outcome, enhance: Callable[[Any], Any], on_enhanced: Callable[[Job, Any, Any], None]
) -> _Work | Outcome:
    if isinstance(work, Outcome):
        return work
    try:
        picture = enhance(work.picture)
        on_enhanced(work.job, work.picture, picture)
    except Exception as error:
        return _failed(work.job, error, f"{work.job.source}: ")
    return _Work(work.job, picture, changed=picture is not work.picture)


def _write(work: _Work | Outcome, *, quality: int | None) -> Outcome:
    if isinstance(work, Outcome):
        return work
    source, target, changed = work.job.source, work.job.target, work.changed
    dropped = ()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        as_it_is = quality is None and work.picture.format == FORMATS.get(target.suffix.lower())
        if not work.changed and as_it_is:
            _copy(source, target)
        elif isinstance(work.picture, Stream):
            dropped = write_stream(target, work.picture, quality=quality)
        elif isinstance(work.picture, Series):
            dropped, changed = write_series(target, work.picture, quality=quality)
            if not changed and as_it_is:
                dropped = ()
                _copy(source, target)
        else:
            dropped = write_picture(target, work.picture, quality=quality)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        return _failed(work.job, error)
    return Outcome(work.job, "enhanced" if changed else "unchanged", dropped=dropped)


def _copy(source: Path, target: Path) -> None:
    """Copies a file that stays as it is: encoding a JPEG again would lose quality."""
    with replacing(target) as path:
        shutil.copyfile(source, path)


def check_target(target: Path) -> None:
    """Raises OSError if a file cannot be written to `target`, as far as can be checked in advance."""
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "a folder of this name is in the way", str(target))
        os.stat(target)
        if not os.access(target, os.W_OK):  # renaming would replace the file nevertheless
            raise PermissionError(errno.EACCES, "this file is write-protected", str(target))
    except (FileNotFoundError, NotADirectoryError):
        pass  # other errors, such as a name that is too long, would also occur when writing
    folder = target.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way of a folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _failed(job: Job, error: Exception, prefix: str = "") -> Outcome:
    """Returns the outcome of a job that failed with `error`; unexpected errors are reported as internal."""
    if isinstance(error, UsageError):
        line = f"{prefix}{error}"
    elif isinstance(error, OSError):
        line = describe(error) if error.filename else f"{job.source}: {describe(error)}"
        if error.errno == errno.ENAMETOOLONG:
            line += " (try a shorter --suffix, or -o FOLDER)"
    elif isinstance(error, MemoryError):
        line = f"{job.source}: out of memory (try a smaller picture)"
    else:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"{job.source}: internal error ({text}); please report it with the picture"
    return Outcome(job, "failed", line, error)

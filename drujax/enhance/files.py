"""Enhancing files: the planned pictures in order, whatever happens to one of them.

Reading and writing run in threads beside the network, a few pictures ahead of it and behind.
"""

import collections
import contextlib
import dataclasses
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from drujax.enhance.plan import Job
from drujax.errors import UsageError, describe
from drujax.pictures.formats import FORMATS
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import remove_leftovers, write_atomically

AHEAD = 2  # pictures read before the network wants them, and written after it is done with them
FULL = (errno.ENOSPC, errno.EDQUOT)

Status = Literal["enhanced", "unchanged", "exists", "failed"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Its result was written, "enhanced" or "unchanged"; there was a file already, which was left alone ("exists"); or it
    "failed", with the line that says why. `cause` is what was raised, if anything, and `dropped` what of the source the
    target does not hold (see `write_picture`).
    """

    job: Job
    status: Status
    error: str | None = None
    cause: Exception | None = None
    dropped: tuple[str, ...] = ()


def enhance_files(
    jobs: Sequence[Job],
    enhance: Callable[[Picture], Picture],
    *,
    overwrite: bool = False,
    quality: int | None = None,
) -> Iterator[Outcome]:
    """Carries the jobs out, in order; folders are made as needed, and rid of what killed runs left.

    A picture that `enhance` hands back as it is (the same object) is copied. Whatever goes wrong with one picture, its
    reading, its enhancement or its target, is in its outcome; the others are done.

    Args:
        jobs: from `plan_jobs`.
        enhance: the same picture, or an enhanced one.
        overwrite: replace files that exist; otherwise they stay, and their pictures are not even read.
        quality: of JPEG and WebP, see `write_picture`.

    Raises:
        OSError: the disk is full, which would happen to the next pictures as well.
    """
    for folder in {job.target.parent for job in jobs}:
        with contextlib.suppress(OSError):  # what is left there harms nobody
            remove_leftovers(folder)
    reading: collections.deque[Future] = collections.deque()
    writing: collections.deque[Future] = collections.deque()
    todo = iter(jobs)
    with ThreadPoolExecutor(AHEAD) as readers, ThreadPoolExecutor(AHEAD) as writers:
        try:
            while True:
                while len(reading) <= AHEAD and (job := next(todo, None)) is not None:
                    reading.append(readers.submit(_read, job, overwrite=overwrite))
                if not reading:
                    break
                work = _enhanced(reading.popleft().result(), enhance)
                writing.append(writers.submit(_write, work, quality=quality))
                del work
                if len(writing) > AHEAD:
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        finally:
            for future in (*reading, *writing):
                future.cancel()


def foreseen(job: Job, *, overwrite: bool) -> Outcome | None:
    """Returns what will become of a job, where that shows without reading the picture."""
    if job.error is not None:
        return Outcome(job, "failed", job.error)
    if not overwrite and os.path.isfile(job.target):
        return Outcome(job, "exists")
    try:
        _check_target(job.target)
    except OSError as error:
        return _failed(job, error)
    return None


@dataclasses.dataclass(frozen=True)
class _Work:
    """A picture on its way to its target."""

    job: Job
    picture: Picture
    changed: bool = False


def _read(job: Job, *, overwrite: bool) -> _Work | Outcome:
    outcome = foreseen(job, overwrite=overwrite)
    if outcome is not None:
        return outcome
    try:
        return _Work(job, read_picture(job.source))
    except Exception as error:
        return _failed(job, error)


def _enhanced(work: _Work | Outcome, enhance: Callable[[Picture], Picture]) -> _Work | Outcome:
    if isinstance(work, Outcome):
        return work
    try:
        picture = enhance(work.picture)
    except Exception as error:
        return _failed(work.job, error, f"{work.job.source}: ")
    return _Work(work.job, picture, changed=picture is not work.picture)


def _write(work: _Work | Outcome, *, quality: int | None) -> Outcome:
    if isinstance(work, Outcome):
        return work
    source, target = work.job.source, work.job.target
    dropped = ()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not work.changed and quality is None and _format(source) == _format(target):
            write_atomically(target, source.read_bytes())  # coding a JPEG again would lose a little
        else:
            dropped = write_picture(target, work.picture, quality=quality)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        return _failed(work.job, error)
    return Outcome(work.job, "enhanced" if work.changed else "unchanged", dropped=dropped)


def _format(path: Path) -> str | None:
    return FORMATS.get(path.suffix.lower())


def _check_target(target: Path) -> None:
    """Raises OSError where a file cannot be written to `target`, as far as that shows before a picture is enhanced."""
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "a folder of this name is in the way", str(target))
        os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass  # any other error, as of a name that is too long, is what writing would meet
    folder = target.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way of a folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _failed(job: Job, error: Exception, prefix: str = "") -> Outcome:
    """The outcome of a job that `error` ended; the line about what drujax does not expect says so."""
    if isinstance(error, UsageError):
        line = f"{prefix}{error}"
    elif isinstance(error, OSError):
        line = describe(error) if error.filename else f"{job.source}: {describe(error)}"
        if error.errno == errno.ENAMETOOLONG:
            line += " (what helps: a shorter --suffix, or -o FOLDER)"
    elif isinstance(error, MemoryError):
        line = f"{job.source}: out of memory (what helps: a smaller picture)"
    else:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"{job.source}: internal error ({said}); please report it with the picture"
    return Outcome(job, "failed", line, error)

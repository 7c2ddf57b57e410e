"""Jobs whose results are kept: each is done once, by whichever process comes first, and resumed where it was stopped.

A job's folder is named after a hash of all that its result depends on, so a changed option, dataset or program is
another job. Several processes may share a folder of jobs: each takes the next one that is free (one process per GPU,
chosen by CUDA_VISIBLE_DEVICES). A lock ends with its process.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically

DONE = "done.json"
WAIT = 1.0  # seconds between two looks at the jobs of other processes


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A piece of work with a folder of its own.

    Attributes:
        kind: of work; jobs of a kind take similar time.
        name: for people.
        key: hash of all that the result depends on.
        make: does the work in the given folder, or resumes it there; returns an exit code, 0 when done.
        needs: jobs that are done before.
        estimate: measures about how many seconds the job takes, by a short trial.
    """

    kind: str
    name: str
    key: str
    make: Callable[[Path], int]
    needs: tuple["Job", ...] = ()
    estimate: Callable[[], float] | None = None

    def folder(self, workdir: Path) -> Path:
        """Returns the folder of the job, which rows of any name with the same job share."""
        return workdir / "jobs" / f"{self.kind.replace(' ', '-')}-{self.key[:12]}"

    def is_done(self, workdir: Path) -> bool:
        return (self.folder(workdir) / DONE).is_file()

    def seconds(self, workdir: Path) -> float:
        """Returns how long the finished job took, over all processes that worked on it."""
        return json.loads((self.folder(workdir) / DONE).read_text())["seconds"]


class Stopped(Exception):
    """A job was stopped by a signal, or failed, and said why; `code` is the exit code of its command."""

    def __init__(self, code: int):
        super().__init__(f"stopped with exit code {code}")
        self.code = code


def do_all(jobs: Iterable[Job], workdir: Path, log: Callable[[str], None]) -> dict[str, str]:
    """Does the jobs that are not done yet; those that another process works on are waited for.

    Args:
        jobs: in the order in which they should be done; jobs that are needed come first. Of jobs with one key one is
            done.
        workdir: the folder of all jobs.
        log: called with a line for each job that starts.

    Returns:
        The keys of jobs that cannot be done, for example without a weight file, each with the reason.

    Raises:
        Stopped: a job ended with an exit code other than 0.
    """
    impossible: dict[str, str] = {}
    waiting = list({job.key: job for job in jobs}.values())
    known = {job.key for job in waiting}
    assert all(need.key in known for job in waiting for need in job.needs), "would wait forever"
    while waiting:
        left = []
        for job in waiting:
            reason = next((impossible[need.key] for need in job.needs if need.key in impossible), None)
            if reason is None and not job.is_done(workdir):
                reason = _do(job, workdir, log)
            if reason is not None:
                impossible[job.key] = reason
            elif not job.is_done(workdir):
                left.append(job)
        if len(left) == len(waiting):
            time.sleep(WAIT)
        waiting = left
    return impossible


def _do(job: Job, workdir: Path, log: Callable[[str], None]) -> str | None:
    """Does a job unless another process does; returns the reason if it cannot be done."""
    folder = job.folder(workdir)
    if not all(need.is_done(workdir) for need in job.needs):
        return None
    with _locked(folder) as mine:
        if not mine or job.is_done(workdir):
            return None
        log(job.name)
        started = time.monotonic()
        try:
            code = job.make(folder)
        except UsageError as error:
            return str(error)
        finally:
            spent = _add_seconds(folder, time.monotonic() - started)
        if code:
            raise Stopped(code)
        write_atomically(folder / DONE, (json.dumps({"name": job.name, "seconds": round(spent, 1)}) + "\n").encode())
    return None


def _add_seconds(folder: Path, seconds: float) -> float:
    """Adds to the time that all processes spent on a job."""
    file = folder.with_suffix(".seconds")
    spent = seconds + (float(file.read_text()) if file.is_file() else 0.0)
    write_atomically(file, f"{spent:.1f}\n".encode())
    return spent


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Yields whether this process holds the job's lock; the folder's own content is left to the job."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)

"""Waits for pictures that appear or change, as `make` does: those without a result, or newer than it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from drujax.enhance.plan import Job

INTERVAL = 1.0  # seconds between two looks

Signature = tuple[int, int]  # modification time and size


def watched(
    plan: Callable[[], Sequence[Job]], sleep: Callable[[], None] = lambda: time.sleep(INTERVAL)
) -> Iterator[list[Job]]:
    """Yields the jobs that are due, whenever some are, without end.

    A picture is due when it is newer than its result, or has none, and did not change since the last look: another
    program may still be writing it. One that failed is due again when it changes.

    Args:
        plan: returns the jobs of all pictures that there are now.
        sleep: waits before the next look.
    """
    before: dict[Path, Signature] = {}
    done: dict[Path, Signature] = {}
    while True:
        jobs = {job.source: job for job in plan()}
        now = {source: found for source in jobs if (found := _signature(source)) is not None}
        due = [
            jobs[source]
            for source, found in now.items()
            if before.get(source) == found != done.get(source) and _is_newer(found, jobs[source].target)
        ]
        before = now
        if due:
            yield due
            done |= {job.source: now[job.source] for job in due}
        sleep()


def _signature(path: Path) -> Signature | None:
    """None for a file that is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _is_newer(source: Signature, target: Path) -> bool:
    result = _signature(target)
    return result is None or source[0] > result[0]

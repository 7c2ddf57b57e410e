"""Applies a function to a stream of items in several processes, in order and with bounded memory."""

import collections
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from drujax.errors import check_at_least

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 4  # items per message to a process
CHUNKS_AHEAD = 2  # chunks per process that are submitted before their results are needed
WORTHWHILE = 512  # items: starting processes takes seconds, as long as threads need for fewer


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, processes: int, total: int
) -> Generator[Result, None, None]:
    """Yields `function(item)` for each of the `total` items, in their order; holds a bounded number of them.

    Args:
        function: a module's function, or a partial of one, so that it can be pickled.
        items: read a little ahead of the results.
        processes: worker processes; 1, or fewer than `WORTHWHILE` items: threads of this one. A program that uses
            several must be guarded by `if __name__ == "__main__":`.
        total: number of items.

    Raises:
        UsageError: `processes` below 1.
        ChildProcessError: a worker was killed or crashed.
    """
    if (processes := worthwhile(processes, total)) > 1:
        # A new interpreter for each worker: forking a process with threads (JAX, libvips) may deadlock.
        context = multiprocessing.get_context("spawn")
        pool: Executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker)
    else:
        processes = cores()
        pool = ThreadPoolExecutor(processes)
    try:
        with pool:
            try:
                yield from _windowed(pool, function, iter(items), processes * CHUNKS_AHEAD)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a worker process ended unexpectedly (killed, or out of memory?); run again, perhaps with fewer processes"
        ) from error


def worthwhile(processes: int, total: int) -> int:
    """Returns how many of the `processes` are started for `total` items. Raises UsageError if they are below 1."""
    check_at_least(1, processes=processes)
    return processes if total >= WORTHWHILE else 1


def _windowed(
    pool: Executor, function: Callable[[Item], Result], items: Iterator[Item], window: int
) -> Iterator[Result]:
    ahead: collections.deque[Future[list[Result]]] = collections.deque()
    chunks = iter(lambda: list(itertools.islice(items, CHUNK)), [])
    for chunk in chunks:
        ahead.append(pool.submit(_apply, function, chunk))
        if len(ahead) >= window:
            yield from ahead.popleft().result()
    while ahead:
        yield from ahead.popleft().result()


def _apply(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return list(map(function, chunk))


def _start_worker() -> None:
    """Ends this worker with its parent, even a killed one, and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("VIPS_CONCURRENCY", "1")  # libvips would start threads for every picture, in every worker
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(parent_ends: Callable[[], None]) -> None:
    parent_ends()
    os._exit(1)

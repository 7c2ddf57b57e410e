"""Commands in processes of their own: what they cost, and killed in the middle."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from drujax.errors import UsageError

POLL = 0.005  # seconds


class Cost(NamedTuple):
    """Seconds of the clock, seconds of all cores, and the most memory in MB."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(command: Sequence[str]) -> Cost:
    """Runs a command. Raises UsageError if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"{' '.join(command)}: failed with exit code {process.returncode}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3)


def run_until(command: Sequence[str], reached: Callable[[], bool]) -> None:
    """Runs a command until something is reached, and kills it (SIGKILL).

    Raises:
        UsageError: it ended before.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not reached() and process.poll() is None:
        time.sleep(POLL)
    process.kill()
    if process.wait() != -signal.SIGKILL:
        raise UsageError(f"{' '.join(command)}: ended before it could be killed")

import os
import signal
import subprocess
import sys
import time

import pytest

from drujax.runtime.parallel import CHUNK, CHUNKS_AHEAD, WORTHWHILE, ordered_map

MANY = 3 * WORTHWHILE


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def end_abruptly(number: int) -> int:
    if number == 40:
        os._exit(1)
    return number


def refuse(number: int) -> int:
    if number == 40:
        raise LookupError("no forty")
    return number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order(processes):
    results = list(ordered_map(square, range(MANY), processes=processes, total=MANY))
    assert [number for number, _ in results] == [number**2 for number in range(MANY)]
    assert (os.getpid() in {process for _, process in results}) == (processes == 1)


def test_a_few_items_start_no_process():
    ((_, process),) = ordered_map(square, [3], processes=2, total=1)
    assert process == os.getpid()


def test_only_a_window_of_items_is_read_ahead():
    taken = 0

    def items():
        nonlocal taken
        while taken < 100 * MANY:
            taken += 1
            yield taken

    results = ordered_map(square, items(), processes=2, total=100 * MANY)
    next(results)
    results.close()
    assert taken <= 2 * CHUNK * CHUNKS_AHEAD


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_reaches_the_caller(processes):
    with pytest.raises(LookupError, match="no forty"):
        list(ordered_map(refuse, range(MANY), processes=processes, total=MANY))


def test_a_dead_worker_is_reported():
    with pytest.raises(ChildProcessError, match="a worker process ended unexpectedly"):
        list(ordered_map(end_abruptly, range(MANY), processes=2, total=MANY))


PROGRAM = """
import os, sys, time
from drujax.runtime.parallel import ordered_map

def announce(_):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(ordered_map(announce, range(2000), processes=2, total=2000))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_end_with_a_killed_program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with program:
        assert program.stdout is not None
        workers = [int(program.stdout.readline()) for _ in range(2)]
        program.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < deadline, "the workers live on"
        time.sleep(0.05)

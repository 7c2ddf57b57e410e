"""Processes with several fake devices, for tests of what depends on their number."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Devices wait for each other in the threads that also compute, by default as many as there are devices: when all of
# them wait, nobody computes, and XLA aborts the process. So there are more. On a busy machine they wait longer than
# XLA's 40 seconds.
THREADS = "128"
PATIENCE = "--xla_cpu_collective_call_terminate_timeout_seconds=300"


def start(devices: int, script: str | Path, *arguments: object) -> subprocess.Popen:
    """`script` in a process of its own with so many devices; what it says is in its stdout."""
    environment = {
        **os.environ,
        "JAX_NUM_CPU_DEVICES": str(devices),
        "NPROC": THREADS,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {PATIENCE}",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(*processes: subprocess.Popen, timeout: float = 600) -> list[str]:
    """Waits for processes that have to end well; what they said."""
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
    return outputs

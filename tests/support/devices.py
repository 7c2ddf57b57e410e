"""Processes with several fake devices."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Devices wait for each other in threads that also compute, by default one per device: when all of them wait, none
# computes, and XLA aborts the process. Hence more threads, and a longer timeout than XLA's 40 seconds for busy
# machines.
THREADS = "128"
PATIENCE = "--xla_cpu_collective_call_terminate_timeout_seconds=300"


def start(devices: int, script: str | Path, *arguments: object) -> subprocess.Popen:
    """Starts `script` in a separate process with this many devices; stdout and stderr go to its stdout."""
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
    """Waits for processes, which must succeed, and returns their output."""
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
    return outputs

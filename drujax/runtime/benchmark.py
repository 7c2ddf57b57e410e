"""Measures speed and memory: contenders take turns in one process.

Times depend on the load of the machine; the ratio between contenders that take turns depends on it much less.
"""

import ctypes
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Contender(NamedTuple):
    """Something to be timed.

    Attributes:
        name: what it is.
        run: does one unit of work and returns when it is done.
        compile_seconds: compile time, if there is a compiler.
        program_bytes: memory of the compiled program, as planned by the compiler.
    """

    name: str
    run: Callable[[], object]
    compile_seconds: float | None = None
    program_bytes: int | None = None


class Results(NamedTuple):
    """What the first and the last run of a contender returned."""

    first: Any
    last: Any


def race(
    contenders: Sequence[Contender], *, rounds: int, pictures: int, flops: float | None = None
) -> tuple[list[dict[str, Any]], list[Results]]:
    """Runs each contender once to warm up, then all of them in turn, `rounds` times.

    Args:
        rounds: number of timed units per contender.
        pictures: number of images per unit of work.
        flops: useful FLOPs per unit of work, the same for all contenders.

    Returns:
        A row and the results of each contender. In a row: name; seconds (median), seconds_min, seconds_all; cpu_seconds
        (median, of all threads); pictures_per_s and flops_per_s by the median; compile_seconds; program_bytes;
        peak_bytes (see `peak_of`); slower: the median over the rounds of its time divided by the first contender's.
        Unknown values are None.
    """
    peaks, first = zip(*(peak_of(contender.run) for contender in contenders), strict=True)
    last = list(first)
    seconds: list[list[float]] = [[] for _ in contenders]
    cpu_seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for turn, (contender, times, cpu_times) in enumerate(zip(contenders, seconds, cpu_seconds, strict=True)):
            start, cpu_start = time.perf_counter(), time.process_time()
            last[turn] = contender.run()
            times.append(time.perf_counter() - start)
            cpu_times.append(time.process_time() - cpu_start)
    rows = [
        {
            "name": contender.name,
            "seconds": (median := statistics.median(times)),
            "seconds_min": min(times),
            "cpu_seconds": statistics.median(cpu_times),
            "pictures_per_s": pictures / median,
            "flops_per_s": None if flops is None else flops / median,
            "slower": statistics.median(own / theirs for own, theirs in zip(times, seconds[0], strict=True)),
            "compile_seconds": contender.compile_seconds,
            "program_bytes": contender.program_bytes,
            "peak_bytes": peak,
            "seconds_all": times,
        }
        for contender, times, cpu_times, peak in zip(contenders, seconds, cpu_seconds, peaks, strict=True)
    ]
    return rows, [Results(*runs) for runs in zip(first, last, strict=True)]


def compiled(name: str, function: Any, *arguments: Any) -> tuple[Contender, Any]:
    """Compiles a jitted function; returns a contender that calls it with `arguments`, and the compiled function.

    Replace `run` for functions that donate their arguments, because it always passes the same ones.
    """
    start = time.perf_counter()
    program = function.lower(*arguments).compile()
    seconds = time.perf_counter() - start
    contender = Contender(
        name, lambda: jax.block_until_ready(program(*arguments)), seconds, _planned(program.memory_analysis())
    )
    return contender, program


def count_flops(function: Callable, *arguments: Any) -> float:
    """Returns XLA's FLOP count of one call: two per multiply-add, none for padding, before optimisation."""
    cost = jax.jit(function).lower(*arguments).cost_analysis()
    return (cost or {}).get("flops", float("nan"))


def peak_of(run: Callable[[], Any]) -> tuple[int | None, Any]:
    """Returns the peak growth of memory in bytes while `run` runs (on Linux), and its result.

    On a GPU or TPU it is the process's peak use of device memory so far. None if neither is known.
    """
    if jax.default_backend() != "cpu":
        result = run()
        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use"), result
    _trim_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current use
    except OSError:
        return None, run()
    before = _status("VmRSS")
    result = run()
    return max(_status("VmHWM") - before, 0), result


def machine() -> dict[str, Any]:
    """Describes the machine, with its limits: speed of a large matrix product, device memory."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "devices": jax.device_count(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "memory_bytes": (device.memory_stats() or {}).get("bytes_limit"),
        "matmul_flops_per_s": {name: matmul_speed(name) for name in ("float32", "bfloat16")},
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def matmul_speed(dtype: str, side: int = 1024, seconds: float = 0.5) -> float:
    """FLOP/s of a product of square matrices on the first device, about the upper limit for convolutions."""
    x = jnp.ones((side, side), dtype) / side
    product = jax.jit(lambda x: (x @ x).astype(x.dtype)).lower(x).compile()
    jax.block_until_ready(product(x))
    fastest, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        for _ in range(4):
            x = product(x)
        jax.block_until_ready(x)
        fastest = min(fastest, (time.perf_counter() - began) / 4)
    return 2 * side**3 / fastest


def _planned(memory: Any) -> int | None:
    if memory is None:
        return None
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )


def _trim_memory() -> None:
    """Returns freed memory that the C library keeps (Linux) to the system, so that reusing it counts as growth."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")

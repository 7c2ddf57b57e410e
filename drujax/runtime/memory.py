"""Free memory, and recognition of out-of-memory errors."""

import os
from pathlib import Path
from typing import Any

# Control groups (containers), versions 2 and 1: the folder below the root, limit and current use.
_GROUPS = (
    (".", "memory.max", "memory.current"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
_OUT_OF_MEMORY = ("resource exhausted", "out of memory", "failed to allocate memory", "bad alloc")


def free_memory(device: Any = None) -> int | None:
    """Returns the free bytes of a JAX `device` with its own memory, else of this machine; None if unknown."""
    statistics = device.memory_stats() if device is not None and device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    known = [memory for memory in (_machine(), _group()) if memory is not None]
    return min(known, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is an out-of-memory error of Python, NumPy, XLA (on any device), ONNX Runtime or OpenVINO."""
    text = str(error).lower().replace("_", " ")
    return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def _machine(source: Path = Path("/proc/meminfo")) -> int | None:
    """Returns the memory that Linux can provide without swapping; elsewhere the installed memory."""
    try:
        for line in source.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Returns the free memory of this process's control group; cached files count as used, but can be evicted."""
    for folder, limit, used in _GROUPS:
        try:
            most, taken = (int((root / folder / name).read_text()) for name in (limit, used))
            statistics = dict(line.split() for line in (root / folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or its limit is "max"
            continue
        cached = sum(int(statistics.get(name, 0)) for name in ("active_file", "inactive_file"))
        return max(most - taken + cached, 0)
    return None

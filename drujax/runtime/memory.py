"""How much memory there is, and how running out of it looks."""

import os
from pathlib import Path
from typing import Any

# Control groups (containers), versions 2 and 1: the folder below the root, the limit, and what is used of it.
_GROUPS = (
    (".", "memory.max", "memory.current"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def free_memory(device: Any = None) -> int | None:
    """Returns the bytes that may still be taken: of a JAX `device` with memory of its own, else of this machine.

    None where the system does not say.
    """
    statistics = device.memory_stats() if device is not None and device.platform != "cpu" else None
    if statistics and "bytes_limit" in statistics:
        return statistics["bytes_limit"] - statistics.get("bytes_in_use", 0)
    known = [memory for memory in (_machine(), _group()) if memory is not None]
    return min(known, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is how Python, NumPy or XLA (on any device) say that memory ran out."""
    said = str(error).lower().replace("_", " ")
    return isinstance(error, MemoryError) or "resource exhausted" in said or "out of memory" in said


def _machine(source: Path = Path("/proc/meminfo")) -> int | None:
    """What Linux can give without swapping; elsewhere all that is built in."""
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
    """What the control group of this process may still take: cached files count as used there, but give way."""
    for folder, limit, used in _GROUPS:
        try:
            most, taken = (int((root / folder / name).read_text()) for name in (limit, used))
            statistics = dict(line.split() for line in (root / folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or its limit is "max"
            continue
        cached = sum(int(statistics.get(name, 0)) for name in ("active_file", "inactive_file"))
        return max(most - taken + cached, 0)
    return None

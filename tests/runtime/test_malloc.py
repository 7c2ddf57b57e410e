import platform
import resource
import subprocess
import sys

import pytest

CODE = """
import resource
from drujax.runtime.malloc import keep_freed_memory
keep_freed_memory()
for _ in range(4):
    b"x" * 2**26
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
BLOCK = 2**26 // resource.getpagesize()


def faults(code: str) -> int:
    """Number of minor page faults of the process."""
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_freed_memory_is_reused():
    """The pages of the first block are reused for the other three."""
    assert faults(CODE.replace("\nkeep_freed_memory()", "")) - faults(CODE) > 2 * BLOCK


TRIMMED = """
from drujax.runtime.malloc import trim_freed_memory
def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
blocks = [bytes([1]) * 100_000 for _ in range(1000)]
last = bytes([1]) * 100_000  # beneath it the heap does not shrink
del blocks
before = resident()
trim_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no malloc_trim")
def test_freed_memory_is_returned_at_once():
    """Of a hundred megabytes; in kilobytes."""
    done = subprocess.run([sys.executable, "-c", TRIMMED], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 90_000

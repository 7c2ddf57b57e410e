"""Memory between the steps of a training on the CPU.

XLA asks for a step's memory when the step begins and frees it at its end. Linux's C library gives blocks of that size
back to the system, which must clear all of their pages again for the next step: a tenth of the processor time of
EnlightenGAN's, a third of Zero-DCE++'s.
"""

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """From now on this process keeps what it frees, up to twice the memory; without glibc nothing changes.

    For a process that does the same again and again; to be called before JAX starts its threads.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)  # large blocks are taken from the heap,
        mallopt(M_ARENA_MAX, 1)  # of which there is one,
        mallopt(M_TRIM_THRESHOLD, -1)  # and it never shrinks

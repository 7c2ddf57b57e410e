"""Memory between the steps of a training on the CPU.

XLA allocates a step's memory when the step begins and frees it at its end. Linux's C library returns blocks of that
size to the system, which must clear their pages again for the next step. This takes a tenth of the CPU time of
EnlightenGAN's step, and a third of Zero-DCE++'s.
"""

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Makes this process keep freed memory, which may double its size; has no effect without glibc.

    For processes that repeat the same work; call it before JAX starts its threads.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)  # take large blocks from the heap,
        mallopt(M_ARENA_MAX, 1)  # use a single heap,
        mallopt(M_TRIM_THRESHOLD, -1)  # and never shrink it

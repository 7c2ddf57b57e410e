"""What happens to freed memory: a training keeps it for its next step, a stream of pixels returns it, a film now and
then.

XLA allocates a step's memory when the step begins and frees it at its end. Linux's C library returns blocks of that
size to the system, which must clear their pages again for the next step. This takes a tenth of the CPU time of
EnlightenGAN's step, and a third of Zero-DCE++'s.

libvips allocates strips of a picture in several threads. After the first ones are freed, the C library takes larger
and larger blocks from the heaps of the threads, which never shrink by what lies beneath others.

An encoder of films allocates hundreds of megabytes for each segment. Returning every freed block would take a tenth of
a film's CPU time, and returning all of them after a segment takes none.
"""

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8
STRIP = 400_000  # bytes of a strip of a wide picture


def keep_freed_memory() -> None:
    """Makes this process keep freed memory, which may double its size; has no effect without glibc.

    For processes that repeat the same work; call it before JAX starts its threads.
    """
    _set(
        (M_MMAP_MAX, 0),  # take large blocks from the heap,
        (M_ARENA_MAX, 1),  # use a single heap,
        (M_TRIM_THRESHOLD, -1),  # and never shrink it
    )


def return_freed_memory() -> None:
    """Makes this process return large blocks when they are freed; has no effect without glibc."""
    _set((M_MMAP_THRESHOLD, STRIP), (M_TRIM_THRESHOLD, STRIP))


def trim_freed_memory() -> None:
    """Returns the memory that is free now to the system, once; has no effect without glibc."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _set(*parameters: tuple[int, int]) -> None:
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in parameters:
            mallopt(name, value)

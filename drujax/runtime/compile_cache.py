"""Compiled programs kept between runs, so that only the first one waits for the compiler."""

import os
import platform
import zlib
from pathlib import Path

import jax

from drujax.runtime.cache import cache_folder


def enable_compilation_cache() -> None:
    """Keeps compiled programs in the cache folder; for entry points, to be called before anything is compiled.

    A cache that the user has chosen (`JAX_COMPILATION_CACHE_DIR`, `jax.config`) stays, and where the folder cannot be
    made, programs are compiled anew each time.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    folder = cache_folder().with_name("compiled") / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))


def _processor() -> str:
    """A name for this kind of processor: programs compiled for a newer one than those here would crash, and a home
    folder may be shared by several machines.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{zlib.crc32(features.encode()):08x}"

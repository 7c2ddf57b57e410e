"""Compiled programs kept between runs, so that only the first one waits for the compiler."""

import logging
import platform
import zlib
from pathlib import Path

import jax

from drujax.errors import UsageError
from drujax.runtime.cache import compiled_folder, make_folder


def enable_compilation_cache() -> None:
    """Keeps compiled programs in the cache folder; for entry points, to be called before anything is compiled.

    A cache that the user has chosen (`JAX_COMPILATION_CACHE_DIR`, `jax.config`) stays. Where the folder cannot be
    written to, a warning says so, and programs are compiled again in each run.
    """
    chosen: str | None = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if chosen is not None and "://" in chosen:  # a bucket
        return
    try:
        if chosen is not None:
            make_folder(Path(chosen), variable="JAX_COMPILATION_CACHE_DIR")
        else:
            folder = make_folder(compiled_folder() / _processor())
            jax.config.update("jax_compilation_cache_dir", str(folder))
    except UsageError as error:
        logging.getLogger(__name__).warning("Compiled programs are not kept for the next run: %s", error)
        jax.config.update("jax_compilation_cache_dir", None)  # it would warn once a program


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

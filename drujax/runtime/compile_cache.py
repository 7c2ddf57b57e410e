"""The persistent cache of compiled programs."""

import logging
import platform
import zlib
from pathlib import Path

import jax

from drujax.errors import UsageError
from drujax.runtime.cache import compiled_folder, make_folder


def enable_compilation_cache() -> None:
    """Caches compiled programs in the cache folder. For entry points; call it before anything is compiled.

    A cache chosen by the user (`JAX_COMPILATION_CACHE_DIR`, `jax.config`) is kept. If the folder is not writable,
    prints a warning and disables the cache.
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
        jax.config.update("jax_compilation_cache_dir", None)  # JAX would warn once per program


def _processor() -> str:
    """Identifies the kind of processor: machines may share a home folder, and programs compiled for a newer processor
    would crash on an older one.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{zlib.crc32(features.encode()):08x}"

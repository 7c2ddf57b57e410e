"""The cache folder for downloads and compiled programs: DRUJAX_CACHE, by default ~/.cache/drujax."""

import errno
import os
from pathlib import Path

from drujax.errors import UsageError


def cache_folder() -> Path:
    """Returns the cache folder for weights, which may not exist yet.

    Raises:
        UsageError: there is no home folder (as for a user without an entry in a container) and DRUJAX_CACHE is not set.
    """
    return _root() / "weights"


def compiled_folder() -> Path:
    """Returns the cache folder for compiled programs, which may not exist yet. Raises as `cache_folder` does."""
    return _root() / "compiled"


def cached(name: str) -> Path | None:
    """Returns the file `name` in the cache folder for weights; None if it is missing."""
    try:
        path = cache_folder() / name
    except UsageError:  # reported when something is to be written there
        return None
    return path if path.is_file() else None


def make_folder(folder: Path, *, variable: str = "DRUJAX_CACHE") -> Path:
    """Creates a cache `folder` and returns it; `variable` is the environment variable that selects another.

    Raises:
        UsageError: it cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error.strerror, variable) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(folder, os.strerror(errno.EACCES), variable)
    return folder


def _root() -> Path:
    try:
        chosen = os.environ.get("DRUJAX_CACHE")
        return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "drujax"
    except RuntimeError as error:
        raise UsageError("DRUJAX_CACHE: there is no home folder; set it to a folder that can be written to") from error


def _unusable(folder: Path, reason: str | None, variable: str) -> UsageError:
    why = f" ({reason.lower()})" if reason else ""
    return UsageError(f"{folder}: cannot be used as cache{why}; set {variable} to a folder that can be written to")

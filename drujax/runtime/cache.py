"""The folder in which drujax keeps what it downloads and compiles: DRUJAX_CACHE, by default ~/.cache/drujax."""

import errno
import os
from pathlib import Path

from drujax.errors import UsageError


def cache_folder() -> Path:
    """Returns the folder of weights that are not shipped; it need not exist yet.

    Raises:
        UsageError: there is no home folder (as for a user without an entry in a container) and DRUJAX_CACHE is not set.
    """
    return _root() / "weights"


def compiled_folder() -> Path:
    """Returns the folder of compiled programs; it need not exist yet. Raises as `cache_folder` does."""
    return _root() / "compiled"


def cached(name: str) -> Path | None:
    """Returns the file `name` in the folder of weights; None where it is missing, or the folder is."""
    try:
        path = cache_folder() / name
    except UsageError:  # whoever needs to write there will say so
        return None
    return path if path.is_file() else None


def make_folder(folder: Path, *, variable: str = "DRUJAX_CACHE") -> Path:
    """Makes `folder`, in which something is to be kept, and returns it; `variable` is the one that chooses another.

    Raises:
        UsageError: that is not possible, or it cannot be written to.
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

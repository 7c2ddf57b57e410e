"""Atomic writing of files."""

import contextlib
import os
import secrets
import time
from pathlib import Path

from drujax.errors import UsageError

LEFTOVER_AGE = 3600.0  # seconds, longer than any write takes


def check_folder(argument: str, path: Path | None) -> None:
    """Raises UsageError, naming `argument`, if the folder of the file to write does not exist."""
    if path is not None and not (folder := path.absolute().parent).is_dir():
        raise UsageError(f"{argument}: {'not a folder' if folder.exists() else 'folder not found'}: {path.parent}")


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes `content` to `path` atomically: no reader sees a partial file, even if the process is killed.

    The bytes go to a hidden temporary file in the same folder, reach the disk, and are renamed into place (through a
    symbolic link onto its target). The folder must exist. Raises OSError naming `path`; then nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".drujax-{secrets.token_hex(8)}.tmp")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        # A failing write (full disk) carries no file name, a failing rename carries the temporary one.
        raise type(error)(error.errno, error.strerror, str(path)) from error


def remove_leftovers(folder: str | Path) -> None:
    """Removes the temporary files that killed processes left in `folder`."""
    for path in Path(folder).glob(".drujax-*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # another process may be doing the same
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE:
                path.unlink()

"""Atomic writing of files."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from drujax.errors import UsageError

LEFTOVER_AGE = 3600.0  # seconds, longer than any write takes


def check_folder(argument: str, path: Path | None) -> None:
    """Raises UsageError, naming `argument`, if the folder of the file to write does not exist."""
    if path is not None and not (folder := path.absolute().parent).is_dir():
        raise UsageError(f"{argument}: {'not a folder' if folder.exists() else 'folder not found'}: {path.parent}")


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes `content` to `path` atomically; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields the path of a new file that replaces `path` in the end, unless the block raises.

    No reader sees a partial file, even if the process is killed: the new file is a hidden one in the same folder, whose
    bytes reach the disk before it is renamed (through a symbolic link onto its target). The folder must exist. Raises
    OSError naming `path`; then nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    temporary = hidden(target)
    try:
        try:
            with open(temporary, "xb"):
                pass
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        # A failing write (full disk) carries no file name, a failing rename carries the temporary one.
        raise type(error)(error.errno, error.strerror, str(path)) from error


def hidden(target: Path) -> Path:
    """Returns a new name beside `target`, of a file that `remove_leftovers` removes if its process is killed."""
    return target.with_name(f".drujax-{secrets.token_hex(8)}.tmp")


def remove_leftovers(folder: str | Path, *, age: float = LEFTOVER_AGE) -> None:
    """Removes the temporary files that killed processes left in `folder`, those older than `age` (seconds)."""
    for path in Path(folder).glob(".drujax-*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # another process may be doing the same
            if time.time() - path.stat().st_mtime >= age:
                path.unlink()

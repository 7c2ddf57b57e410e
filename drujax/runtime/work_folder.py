"""The hidden folder in which a result grows, and which an interrupted run leaves to the next one."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically

try:
    import fcntl
except ImportError:  # Windows has no locks of folders, so there a second run must not start
    fcntl = None


def work_path(out: Path) -> Path:
    """Returns the folder in which a run that makes `out` works: a hidden one beside it."""
    return out.absolute().with_name(f".{out.absolute().name}.unfinished")


@contextlib.contextmanager
def work_folder(out: Path, versions: str) -> Iterator[Path]:
    """Yields `work_path(out)`, as the last run for `out` left it, or empty.

    It is removed at the end and after a UsageError. After anything else (a full disk, Ctrl-C, SIGKILL) it stays. A
    folder that other `versions` (a line about the programs) left is emptied. The folder is locked: a second run for
    the same `out` waits for the first, and should then look at `out` again.

    Raises:
        UsageError: the folder cannot be made.
        OSError: a file in it cannot be written; the message says what is kept.
    """
    folder = work_path(out)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except OSError as error:
        raise UsageError(f"out: cannot write in {folder.parent}: {(error.strerror or str(error)).lower()}") from error
    try:
        stamp = folder / "versions"
        if not stamp.is_file() or stamp.read_text() != versions:
            _empty(folder)
            write_atomically(stamp, versions.encode())
        yield folder
        shutil.rmtree(folder)
    except UsageError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        if error.errno is None or not _is_inside(error.filename, folder):
            raise
        raise OSError(
            f"{folder.parent}: cannot be written: {error.strerror}; what was done is kept in "
            f"{folder.name}: run the same command again to continue, or delete it"
        ) from error
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Creates and locks `folder`; the lock ends with the descriptor, or with the process."""
    if fcntl is None:
        folder.mkdir(exist_ok=True)
        return None
    while True:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The previous holder of the lock has removed the folder, unless it was interrupted.
        if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _is_inside(file: str | bytes | None, folder: Path) -> bool:
    """Whether an error is about a file in `folder`; errors of writing to an open file carry no name."""
    return file is None or Path(os.fsdecode(file)).is_relative_to(folder)

"""Download files once into the user's cache, checked.

The cache is `~/.cache/drujax`, or what the environment variable DRUJAX_CACHE names. A file appears there under its name
only when it is whole and has its hash. Beside it, `NAME.sha256` records the hash in the format of `sha256sum --check`.
"""

import contextlib
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from drujax.console.progress import Progress
from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.cache import cache_folder, make_folder
from drujax.runtime.remote_file import File
from drujax.runtime.version import __version__

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte


def fetch(file: File, *, otherwise: str = "", quiet: bool = False) -> Path:
    """Return the path of `file` in the cache; download it there first if it is missing.

    Prints size, licence and address to stderr before, and the progress during a download, unless `quiet`. An
    interrupted download is resumed by the next call where the file's hash is known.

    Args:
        file: what to download.
        otherwise: what the user can do without the file ("--pretrained=none starts from random weights").
        quiet: print nothing.

    Raises:
        UsageError: no network, no such page, interrupted, or another file than expected (one line with the address,
            size, licence, where to put the file by hand, and `otherwise`); the cache cannot be used.
        OSError: the file cannot be written.
    """
    path = cache_folder() / file.filename
    if path.exists():
        _check_cached(file, path)
        return path
    if file.manual:
        raise _refusal(file, path, "it can only be downloaded by hand", otherwise)
    make_folder(path.parent)
    with _locked(path.parent):
        if path.exists():  # another process was faster
            return path
        partial = path.with_name(path.name + ".part")
        if not quiet:
            print(f"{file.what}: {describe(file)}, to {path}", file=sys.stderr)
        try:
            _download(file, partial, quiet=quiet)
        except _Broken as error:
            raise _refusal(file, path, str(error), otherwise) from error
        digest = _sha256(partial)
        if not digest.startswith(file.sha256 or ""):
            partial.unlink()
            raise _refusal(file, path, f"what came has the sha256 {digest} instead of {file.sha256}", otherwise)
        _record(path, digest)
        os.replace(partial, path)
    return path


def describe(file: File) -> str:
    """Size, licence and address in words."""
    size = "of unknown size" if file.size is None else megabytes(file.size)
    return f"{size}, licence {file.licence}, from {file.url}"


def megabytes(size: int) -> str:
    """`46.8 MB`."""
    return f"{size / 1e6:.3g} MB" if size < 999.5e6 else f"{size / 1e9:.3g} GB"


class _Broken(Exception):
    """The download did not get through."""


def _download(file: File, partial: Path, *, quiet: bool) -> None:
    """Fills `partial`, from where it ends if the result can be checked."""
    have = partial.stat().st_size if partial.exists() and file.sha256 else 0
    request = urllib.request.Request(file.url, headers={"User-Agent": f"drujax/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it was whole already
        raise _Broken(f"its host answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"no connection: {getattr(error, 'reason', error)}") from error
    resumed = response.status == http.client.PARTIAL_CONTENT
    have = have if resumed else 0
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    bar = Progress(
        file.filename, total=_whole(total or file.size or 0), done=_whole(have), unit="megabyte", quiet=quiet
    )
    with response, open(partial, "ab" if resumed else "wb") as out, bar:
        while chunk := _read(response):
            _write(out, chunk)
            have += len(chunk)
            bar.to(_whole(have))
        os.fsync(out.fileno())
    if total is not None and have != total:
        raise _Broken(f"the connection broke off after {have} of {total} bytes (call again to go on)")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"the connection broke off (call again to go on): {error}") from error


def _write(out: BinaryIO, chunk: bytes) -> None:
    try:
        out.write(chunk)
        out.flush()
    except OSError as error:  # a full disk does not name the file
        raise type(error)(error.errno, error.strerror, out.name) from error


def _whole(size: int) -> int:
    """Megabytes, the unit of the progress bar."""
    return -(-size // 1_000_000)


def _check_cached(file: File, path: Path) -> None:
    """Compares a file in the cache with the table and with what was recorded when it was first seen."""
    digest = _sha256(path)
    record = path.with_name(path.name + ".sha256")
    recorded = record.read_text().partition(" ")[0] if record.exists() else ""
    for wanted in (file.sha256 or "", recorded):
        if not digest.startswith(wanted):
            raise UsageError(
                f"{path}: its sha256 is {digest} instead of {wanted}: it is damaged or another file. "
                f"Remove it and {record.name} to get it again"
            )
    if not recorded and os.access(path.parent, os.W_OK):  # several machines may share a cache that they only read
        _record(path, digest)


def _record(path: Path, digest: str) -> None:
    write_atomically(path.with_name(path.name + ".sha256"), f"{digest}  {path.name}\n".encode())


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(file: File, path: Path, why: str, otherwise: str) -> UsageError:
    after = f", or go on without it: {otherwise}" if otherwise else ""
    return UsageError(f"{file.what}: {why}. Get it ({describe(file)}) and put it at {path}{after}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One download at a time, where the system can lock folders; the lock goes with its process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

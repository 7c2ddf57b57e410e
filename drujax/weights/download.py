"""Downloads files into the user's cache, once and with verified hashes.

The cache is `~/.cache/drujax`, or the value of the environment variable DRUJAX_CACHE. A file gets its final name only
when it is complete and its hash is correct. `NAME.sha256` next to it records the hash in the format of
`sha256sum --check`.
"""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from drujax.console.output import complain
from drujax.console.progress import Progress
from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.cache import cache_folder, make_folder
from drujax.runtime.remote_file import File
from drujax.runtime.version import __version__

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without data


def fetch(file: File, *, otherwise: str = "", quiet: bool = False) -> Path:
    """Returns the path of `file` in the cache, downloading it first if it is missing.

    Before downloading it prints size, licence and URL to stderr, then the progress, unless `quiet`. The next call
    resumes an interrupted download if the file's hash is known.

    Args:
        file: file to download.
        otherwise: what the user can do without the file ("--pretrained=none starts from random weights").
        quiet: print nothing.

    Raises:
        UsageError: the cache cannot be used, or the download failed or has the wrong hash. The message has the URL,
            size, licence, the path for a manual download, and `otherwise`.
        OSError: the file cannot be written.
    """
    path = cache_folder() / file.filename
    if path.exists():
        _check_cached(file, path)
        return path
    if file.manual:
        raise _refusal(file, path, "manual download required", otherwise)
    make_folder(path.parent)
    with _locked(path.parent):
        if path.exists():  # another process was faster
            return path
        partial = path.with_name(path.name + ".part")
        if not quiet:
            complain(f"{file.what}: {describe(file)}, to {path}")
        try:
            _download(file, partial, quiet=quiet)
        except _Broken as error:
            raise _refusal(file, path, str(error), otherwise) from error
        digest = _sha256(partial)
        if not digest.startswith(file.sha256 or ""):
            partial.unlink()
            raise _refusal(file, path, f"sha256 of the download must be {file.sha256}, got {digest}", otherwise)
        _record(path, digest)
        os.replace(partial, path)
    return path


def describe(file: File) -> str:
    """Formats size, licence and URL for messages."""
    size = "of unknown size" if file.size is None else megabytes(file.size)
    return f"{size}, licence {file.licence}, from {file.url}"


def megabytes(size: int) -> str:
    """Formats a size in bytes, e.g. `46.8 MB`."""
    return f"{size / 1e6:.3g} MB" if size < 999.5e6 else f"{size / 1e9:.3g} GB"


class _Broken(Exception):
    """The download failed."""


def _download(file: File, partial: Path, *, quiet: bool) -> None:
    """Downloads to `partial`, resuming from its end if the result can be verified."""
    have = partial.stat().st_size if partial.exists() and file.sha256 else 0
    request = urllib.request.Request(file.url, headers={"User-Agent": f"drujax/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # already complete
        raise _Broken(f"the server answered {error.code} {error.reason}") from error
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
        raise _Broken(f"connection lost after {have} of {total} bytes (run again to resume)")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"connection lost (run again to resume): {error}") from error


def _write(out: BinaryIO, chunk: bytes) -> None:
    try:
        out.write(chunk)
        out.flush()
    except OSError as error:  # the error of a full disk does not name the file
        raise type(error)(error.errno, error.strerror, out.name) from error


def _whole(size: int) -> int:
    """Rounds up to megabytes, the unit of the progress bar."""
    return -(-size // 1_000_000)


def _check_cached(file: File, path: Path) -> None:
    """Verifies the hash of a cached file against the table and the recorded hash; records it if there is none."""
    digest = _sha256(path)
    record = path.with_name(path.name + ".sha256")
    recorded = record.read_text().partition(" ")[0] if record.exists() else ""
    for wanted in (file.sha256 or "", recorded):
        if not digest.startswith(wanted):
            raise UsageError(
                f"{path}: sha256 must be {wanted}, got {digest}: the file is damaged or a different one. "
                f"Delete it and {record.name} to download it again"
            )
    if not recorded and os.access(path.parent, os.W_OK):  # several machines may share a cache that they only read
        _record(path, digest)


def _record(path: Path, digest: str) -> None:
    write_atomically(path.with_name(path.name + ".sha256"), f"{digest}  {path.name}\n".encode())


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(file: File, path: Path, why: str, otherwise: str) -> UsageError:
    after = f", or do without it: {otherwise}" if otherwise else ""
    return UsageError(f"{file.what}: {why}. Download it yourself ({describe(file)}) and put it at {path}{after}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Allows one download at a time, if the system can lock folders; the lock is released if its process ends."""
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

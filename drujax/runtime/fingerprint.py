"""Digests of the contents of files and folders, to notice that a path's content has changed."""

import hashlib
from collections.abc import Collection
from pathlib import Path

# Larger files are sampled: hashing a dataset of 100 GB would take minutes.
WHOLE = 1 << 26
BLOCK, SAMPLES = 1 << 16, 256


def fingerprint(path: Path, ignored: Collection[str] = ()) -> str:
    """Return a hexadecimal digest of the file `path`, or of all files below the folder `path` with their names.

    Files of up to 64 MiB are hashed completely, larger ones by size and 256 evenly spaced blocks of 64 KiB. Files
    directly in the folder whose names are in `ignored` do not count.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in files if file.parent != path or file.name not in ignored]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(f"{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        digest.update(_content(file))
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    size = file.stat().st_size
    with open(file, "rb") as content:
        if size <= WHOLE:
            return hashlib.file_digest(content, "sha256").digest()
        digest = hashlib.sha256()
        for sample in range(SAMPLES):
            content.seek((size - BLOCK) * sample // (SAMPLES - 1))
            digest.update(content.read(BLOCK))
        return digest.digest()

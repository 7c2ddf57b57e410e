"""The journal of a build: what it needs to know of each picture, measured once and kept on disk.

It has one row of fixed size for each picture, found by the SHA-256 of its file. An interrupted build continues
with the rows that it finds; a row that was not written completely fails its checksum and is measured again.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from drujax.data.near_copies import GRADIENTS, Fingerprints, fingerprint
from drujax.data.qab import quartile_means
from drujax.data.sources import Candidate, as_uint8
from drujax.errors import UsageError, describe
from drujax.pictures import codec

ROW = np.dtype(
    [
        ("digest", "V32"),  # SHA-256 of the file
        ("size", "<u4", (2,)),  # h, w, upright
        ("means", "<f8", (4,)),  # of the quartiles
        ("bytes", "<u8"),  # of the image in the dataset, roughly: of the file, or one for each pixel of a new PNG
        ("structured", "?"),  # has a fingerprint
        ("hash", "<u8"),
        ("gradients", "<f2", (GRADIENTS,)),
        ("checksum", "<u4"),  # CRC-32 of the fields before it
    ]
)
_KEPT = np.dtype([(name, ROW[name]) for name in ("size", "means", "bytes", "structured", "hash")])  # in memory
_CHECKED = ROW.itemsize - ROW["checksum"].itemsize  # bytes
_ROWS_AT_ONCE = 4096


def digest_of(candidate: Candidate) -> bytes:
    """Computes the SHA-256 of a picture's file; empty if it cannot be read."""
    try:
        with candidate.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""


def measure(candidate: Candidate) -> bytes | str:
    """Returns the row of a picture, or the reason why it cannot be read."""
    try:
        content = candidate.path.read_bytes()
        picture = codec.decode(content)
    except (UsageError, OSError) as error:
        return describe(error)
    rgb = as_uint8(picture.rgb)
    row = np.zeros((), ROW)
    row["digest"] = np.void(hashlib.sha256(content).digest())
    row["size"] = rgb.shape[:2]
    row["means"] = quartile_means(rgb)
    row["bytes"] = len(content) if picture.format in ("JPEG", "PNG") else rgb.shape[0] * rgb.shape[1]
    if (found := fingerprint(rgb)) is not None:
        row["structured"], row["hash"], row["gradients"] = True, found.hash, found.gradients
    row["checksum"] = zlib.crc32(row.tobytes()[:_CHECKED])
    return row.tobytes()


class Journal:
    """The file of measured rows."""

    def __init__(self, path: Path):
        """Opens `path`, or begins it. Rows from the first incomplete one on are removed."""
        self._path = path
        self._places: dict[bytes, int] = {}  # digest -> number of the row
        self._length = 0
        with path.open("a+b") as file:
            file.seek(0)
            while (content := file.read(ROW.itemsize * _ROWS_AT_ONCE)) and self._register(content):
                pass
            file.truncate(self._length * ROW.itemsize)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places

    def append(self, rows: Iterable[bytes]) -> None:
        """Appends rows, one or several at a time; they are in the file before the next are taken from `rows`."""
        with self._path.open("ab", buffering=0) as file:
            for row in rows:
                if file.write(row) < len(row):
                    file.write(row[len(row) :])  # raises the reason
                self._register(row)

    def rows(self, digests: Sequence[bytes]) -> tuple[Shaped[np.ndarray, " n"], Fingerprints]:
        """Returns the rows of these files without gradients, and their fingerprints, whose gradients stay on disk."""
        stored = np.memmap(self._path, ROW, "r") if self._length else np.zeros(0, ROW)
        places = np.array([self._places[digest] for digest in digests], int)
        rows = np.zeros(len(places), _KEPT)
        for name in _KEPT.names or ():
            rows[name] = stored[name][places]
        return rows, Fingerprints(rows["hash"], rows["structured"], stored["gradients"], places)

    def _register(self, content: bytes) -> bool:
        """Adds the rows in `content` to the index; returns whether all are complete."""
        whole = len(content) // ROW.itemsize
        for row in np.frombuffer(content, ROW, count=whole):
            if zlib.crc32(row.tobytes()[:_CHECKED]) != row["checksum"]:
                return False
            self._places.setdefault(row["digest"].tobytes(), self._length)
            self._length += 1
        return whole * ROW.itemsize == len(content)

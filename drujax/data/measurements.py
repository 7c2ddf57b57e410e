"""The first stage of a build: the content of every picture file is hashed, and each new content is measured."""

import collections
import dataclasses
import functools
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from drujax.console.progress import Progress
from drujax.data.execution import Execution, run_on_beam
from drujax.data.journal import Journal, digest_of, measure
from drujax.data.labels import Measured
from drujax.data.near_copies import Fingerprints
from drujax.data.qab import classify_all
from drujax.data.sources import Candidate
from drujax.data.writer import stored_size
from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.parallel import ordered_map

TASK = 64  # pictures that a worker of Apache Beam measures at once


@dataclasses.dataclass(frozen=True)
class Files:
    """The picture files of the sources, and the SHA-256 of each; empty for a file that cannot be read."""

    candidates: Sequence[Candidate]
    digests: Sequence[bytes]

    @property
    def key(self) -> str:
        """Identifies the pictures and their names."""
        content = hashlib.sha256()
        for candidate, digest in zip(self.candidates, self.digests, strict=True):
            content.update(repr((candidate.id, digest)).encode())
        return content.hexdigest()

    def per_source(self) -> dict[str, int]:
        """Counts the files of each source."""
        return dict(collections.Counter(candidate.source for candidate in self.candidates))


@dataclasses.dataclass(frozen=True)
class Measurements:
    """The readable pictures, and what is known of each.

    Attributes:
        pictures: in the order of the files.
        digests: SHA-256 of their files.
        bytes: of each image in the dataset, roughly.
        fingerprints: by which copies are found.
        skipped: a line for each other picture, beginning with its path.
    """

    pictures: list[Measured]
    digests: list[bytes]
    bytes: np.ndarray
    fingerprints: Fingerprints
    skipped: list[str]


def hash_files(candidates: Sequence[Candidate], *, quiet: bool) -> Files:
    """Hashes the content of each file."""
    digests = []
    with Progress("hashing", total=len(candidates), unit="file", quiet=quiet) as progress:
        for digest in ordered_map(digest_of, candidates, processes=1, total=len(candidates)):
            digests.append(digest)
            progress.advance()
    return Files(candidates, digests)


def measure_files(
    files: Files,
    group_of: Mapping[str, str],
    crop: int,
    bounds: tuple[float, float],
    work: Path,
    how: Execution,
) -> Measurements:
    """Measures the files that the journal in `work` does not know yet, and returns all.

    Args:
        files: of all sources.
        group_of: candidate id -> group; a picture without one is a group of its own.
        crop: to which smaller pictures will be enlarged; thin strips that get too large are skipped.
        bounds: B_low and B_high of eq. 1.
        work: the folder of the build.
        how: where the measuring runs.

    Raises:
        UsageError: no picture can be used.
    """
    journal = Journal(work / "measured")
    reasons = _measure_missing(journal, files, work, how)
    known = [position for position in range(len(files.digests)) if position not in reasons]
    rows, fingerprints = journal.rows([files.digests[position] for position in known])
    partitions = classify_all(rows["means"], *bounds)
    pictures, kept = [], []
    for number, (position, row, partition) in enumerate(zip(known, rows, partitions, strict=True)):
        candidate, size = files.candidates[position], tuple(row["size"].tolist())
        try:
            stored_size(size, crop)
        except UsageError as error:
            reasons[position] = str(error)
            continue
        group = group_of.get(candidate.id, candidate.id)
        pictures.append(Measured(candidate, group, tuple(row["means"].tolist()), partition, size))
        kept.append(number)
    skipped = [_line(files.candidates[position], reason) for position, reason in sorted(reasons.items())]
    if not pictures:
        raise UsageError(f"source: none of the {len(skipped)} pictures can be read (first: {skipped[0]}).")
    digests = [files.digests[known[number]] for number in kept]
    return Measurements(pictures, digests, rows["bytes"][kept], fingerprints.of_images(np.array(kept)), skipped)


def _measure_missing(journal: Journal, files: Files, work: Path, how: Execution) -> dict[int, str]:
    """Measures each content once; returns position -> reason for the pictures that cannot be read."""
    first = {digest: position for position, digest in reversed(list(enumerate(files.digests))) if digest}
    missing = [p for p, digest in enumerate(files.digests) if first.get(digest, p) == p and digest not in journal]
    if how.beam is not None and missing:
        _measure_on_beam(journal, [files.candidates[position] for position in missing], work, how)
        # What Beam could not read is tried again here, which tells the reason.
        missing = [position for position in missing if files.digests[position] not in journal]
    reasons: dict[bytes | int, str] = {}  # by digest; by position if there is none
    done = len(files.candidates) - len(missing)
    progress = Progress("reading", total=len(files.candidates), done=done, unit="picture", quiet=how.quiet)

    def measured() -> Iterator[bytes]:
        candidates = (files.candidates[position] for position in missing)
        results = ordered_map(measure, candidates, processes=how.processes, total=len(missing))
        for position, result in zip(missing, results, strict=True):
            progress.advance()
            if isinstance(result, bytes):
                yield result
            else:
                reasons[files.digests[position] or position] = result

    with progress:
        journal.append(measured())
    changed = "the file changed while the dataset was built; build it again"
    return {
        position: reasons.get(digest or position, changed)
        for position, digest in enumerate(files.digests)
        if digest not in journal
    }


def _measure_on_beam(journal: Journal, candidates: Sequence[Candidate], work: Path, how: Execution) -> None:
    assert how.beam is not None
    parts = work / "parts"
    parts.mkdir(exist_ok=True)
    tasks = (candidates[start : start + TASK] for start in range(0, len(candidates), TASK))
    run_on_beam(functools.partial(measure_part, parts), tasks, work / "tasks", how.beam)
    journal.append(part.read_bytes() for part in sorted(parts.glob("*.rows")))
    shutil.rmtree(parts)


def measure_part(parts: Path, candidates: Sequence[Candidate]) -> None:
    """Writes the rows of some pictures to a file in `parts`: a task of Apache Beam."""
    rows = [row for row in map(measure, candidates) if isinstance(row, bytes)]
    name = hashlib.sha256("\n".join(candidate.id for candidate in candidates).encode()).hexdigest()
    write_atomically(parts / f"{name}.rows", b"".join(rows))


def _line(candidate: Candidate, reason: str) -> str:
    return f"{candidate.path}: {reason.removeprefix(f'{candidate.path}: ')}"

"""Checks of a dataset that are computed from its records: groups and copies on two sides of the split."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drujax.console.progress import Progress
from drujax.data.dataset import Dataset
from drujax.data.near_copies import Fingerprints, find_near_copies, fingerprint
from drujax.data.records import SPLITS, Metadata

Copies = list[tuple[Metadata, Metadata]]


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        sides: id -> "train", "test" or "val".
        leaking_groups: the groups with pictures on more than one side, sorted.
        equal: pairs of records with equal image files, the first of each kind with every other.
        near: pairs of nearly equal pictures of different groups; None if they were not searched for.
    """

    sides: Mapping[str, str]
    leaking_groups: Sequence[str]
    equal: Copies
    near: Copies | None

    def crosses(self, pair: tuple[Metadata, Metadata]) -> bool:
        """Whether the two pictures are on different sides of the split."""
        return self.sides[pair[0].id] != self.sides[pair[1].id]


def audit(dataset: Dataset, *, near_copies: bool, quiet: bool) -> Audit:
    """Reads every stored picture; decodes them all to search for near copies.

    Raises:
        UsageError: a record is damaged.
    """
    sides, groups = {}, {}
    for split in SPLITS:
        for row in dataset.table(split):
            sides[row.id] = side_of(split)
            groups.setdefault(row.group, set()).add(side_of(split))
    rows, digests, prints = [], [], []
    total = sum(len(dataset.split(split)) for split in SPLITS)
    with Progress("checking", total=total, unit="picture", quiet=quiet) as progress:
        for split in map(dataset.split, SPLITS):
            for index, row in enumerate(split.table):
                rows.append(row)
                digests.append(hashlib.sha256(split.encoded(index)).digest())
                if near_copies:
                    prints.append(fingerprint(split.image(index)))
                progress.to(len(rows))
    near = None
    if near_copies:
        pairs = ((rows[one], rows[other]) for one, other in find_near_copies(Fingerprints.of(prints)))
        near = [(one, other) for one, other in pairs if one.group != other.group]
    leaking = sorted(group for group, found in groups.items() if len(found) > 1)
    return Audit(sides, leaking, list(_equal(rows, digests)), near)


def side_of(split: str) -> str:
    """Returns the side of a split: "train", "test" or "val"."""
    return split.partition("_")[0]


def _equal(rows: Sequence[Metadata], digests: Sequence[bytes]) -> Iterator[tuple[Metadata, Metadata]]:
    first: dict[bytes, Metadata] = {}
    for row, digest in zip(rows, digests, strict=True):
        if digest in first:
            yield first[digest], row
        else:
            first[digest] = row

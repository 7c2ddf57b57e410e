"""Source groups: which pictures must be on one side of the split.

A table names the groups; a picture that it does not name is a group of its own. Groups with identical files or nearly
identical pictures are then merged, so that no copy of a training picture is tested on.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from drujax.data.labels import Measured
from drujax.data.near_copies import Fingerprints, find_near_copies
from drujax.data.sources import Candidate


@dataclasses.dataclass(frozen=True)
class Copies:
    """Copies among the pictures.

    Attributes:
        exact: number of groups joined with another by an identical file.
        near: number of further groups joined by a nearly identical picture.
        example: ids of the first two pictures that joined groups.
        between: (a source, another) -> the copies between them.
    """

    exact: int = 0
    near: int = 0
    example: tuple[str, str] | None = None
    between: Mapping[tuple[str, str], "Shared"] = dataclasses.field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.exact + self.near > 0

    def __str__(self) -> str:
        pair = "" if self.example is None else f", for example {' and '.join(self.example)}"
        return f"{self.exact} by equal files, {self.near} by nearly equal pictures{pair}"


@dataclasses.dataclass
class Shared:
    """Copies between two sources.

    Attributes:
        equal: pairs of pictures, one of each source, whose files are identical.
        nearly: pairs that are nearly identical, and their files are not.
        example: ids of the first pair that was found.
    """

    equal: int = 0
    nearly: int = 0
    example: tuple[str, str] | None = None

    def add(self, pairs: int, kind: Literal["equal", "nearly"], one: Candidate, other: Candidate) -> None:
        """Counts further pairs, of which (`one`, `other`) is the first."""
        setattr(self, kind, getattr(self, kind) + pairs)
        self.example = self.example or (one.id, other.id)


def merge_copies(
    pictures: Sequence[Measured],
    digests: Sequence[bytes],
    fingerprints: Fingerprints,
    named: frozenset[str] = frozenset(),
) -> tuple[list[Measured], Copies]:
    """Merges groups that contain copies of each other's pictures.

    A merged group takes the first of its names in sorted order, names of the table before ids. Flat pictures, such as
    black frames, do not identify a scene, so identical ones do not merge groups of the table, and do not count as
    copies between sources.

    Args:
        pictures: with their groups.
        digests: of their files.
        fingerprints: of the pictures.
        named: the groups of the table.

    Returns:
        The pictures with their new groups, and the copies that were found.
    """
    groups = Groups({picture.group for picture in pictures}, named)
    between: collections.defaultdict[tuple[str, str], Shared] = collections.defaultdict(Shared)
    joined = {"equal": 0, "nearly": 0}
    example = None

    def merge(first: int, second: int, how: str) -> None:
        nonlocal example
        one, other = pictures[first], pictures[second]
        if groups.merge(one.group, other.group):
            joined[how] += 1
            example = example or (one.candidate.id, other.candidate.id)

    for family in _equal_files(pictures, digests, fingerprints, named):
        for one, other in _across_sources(pictures, family):
            between[one[0].source, other[0].source].add(len(one) * len(other), "equal", one[0], other[0])
        for position in family[1:]:
            merge(family[0], position, "equal")
    for first, second in find_near_copies(fingerprints):
        if digests[first] != digests[second]:
            for one, other in _across_sources(pictures, (first, second)):
                between[one[0].source, other[0].source].add(1, "nearly", one[0], other[0])
        merge(first, second, "nearly")
    regrouped = [dataclasses.replace(picture, group=groups.find(picture.group)) for picture in pictures]
    return regrouped, Copies(joined["equal"], joined["nearly"], example, dict(sorted(between.items())))


def _equal_files(
    pictures: Sequence[Measured], digests: Sequence[bytes], fingerprints: Fingerprints, named: frozenset[str]
) -> list[list[int]]:
    """Returns the positions of each set of identical files."""
    first: dict[bytes, int] = {}
    families: dict[int, list[int]] = {}
    for position, (picture, digest) in enumerate(zip(pictures, digests, strict=True)):
        if picture.group in named and not fingerprints.known[position]:
            continue
        earliest = first.setdefault(digest, position)
        if earliest != position:
            families.setdefault(earliest, [earliest]).append(position)
    return list(families.values())


def _across_sources(
    pictures: Sequence[Measured], positions: Iterable[int]
) -> Iterator[tuple[list[Candidate], list[Candidate]]]:
    """Yields the pictures of every two sources among those at `positions`."""
    by_source: dict[str, list[Candidate]] = {}
    for position in positions:
        candidate = pictures[position].candidate
        by_source.setdefault(candidate.source, []).append(candidate)
    for one, other in itertools.combinations(sorted(by_source), 2):
        yield by_source[one], by_source[other]


class Groups:
    """Disjoint sets of group names (union-find), each represented by its first name, those in `named` before others."""

    def __init__(self, names: set[str], named: frozenset[str]):
        self._parent = {name: name for name in names}
        self._named = named

    def find(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = name = self._parent[self._parent[name]]  # path halving
        return name

    def merge(self, one: str, other: str) -> bool:
        """Merges two groups; returns whether they were different."""
        one, other = sorted((self.find(one), self.find(other)), key=lambda name: (name not in self._named, name))
        self._parent[other] = one
        return one != other

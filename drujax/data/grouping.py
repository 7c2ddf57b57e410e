"""Source groups: which pictures must be on one side of the split.

Groups are named by a table, and a picture that it does not name is a group of its own. Groups that hold equal files
or nearly equal pictures are then merged, because a copy of a training picture does not test anything.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from drujax.data.labels import Measured
from drujax.data.near_copies import find_near_copies


@dataclasses.dataclass(frozen=True)
class Copies:
    """Copies that were in different groups.

    Attributes:
        exact: groups that an equal file joins with another.
        near: further groups that a nearly equal picture joins with another.
        example: ids of the first two such pictures.
    """

    exact: int
    near: int
    example: tuple[str, str] | None

    def __bool__(self) -> bool:
        return self.exact + self.near > 0

    def __str__(self) -> str:
        pair = "" if self.example is None else f", for example {' and '.join(self.example)}"
        return f"{self.exact} by equal files, {self.near} by nearly equal pictures{pair}"


def merge_copies(
    pictures: Sequence[Measured], hashes: Mapping[str, str], named: frozenset[str] = frozenset()
) -> tuple[list[Measured], Copies]:
    """Merges groups that hold copies of each other's pictures.

    A merged group has the first of its names, those of the table before ids. Flat pictures (a black frame) say nothing
    about the scene: equal ones do not merge groups of the table.

    Args:
        pictures: with their groups.
        hashes: of the files, by id; pictures without one are compared by fingerprint alone.
        named: the groups that a table names.

    Returns:
        The pictures with their new groups, and what was merged.
    """
    groups = _Groups({picture.group for picture in pictures}, named)

    def merge(pairs: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        """The ids of the pairs that were in two groups."""
        found = ((pictures[first], pictures[second]) for first, second in pairs)
        return [(a.candidate.id, b.candidate.id) for a, b in found if groups.merge(a.group, b.group)]

    exact = merge(_equal_files(pictures, hashes, named))
    near = merge(find_near_copies([picture.fingerprint for picture in pictures]))
    regrouped = [dataclasses.replace(picture, group=groups.find(picture.group)) for picture in pictures]
    return regrouped, Copies(len(exact), len(near), next(iter(exact + near), None))


def _equal_files(
    pictures: Sequence[Measured], hashes: Mapping[str, str], named: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yields the positions of each picture whose file equals an earlier one, and of that."""
    first: dict[str, int] = {}
    for position, picture in enumerate(pictures):
        digest = hashes.get(picture.candidate.id)
        if digest is None or (picture.fingerprint is None and picture.group in named):
            continue
        if digest in first:
            yield first[digest], position
        else:
            first[digest] = position


class _Groups:
    """Disjoint sets of group names (union-find), each represented by its first name."""

    def __init__(self, names: set[str], named: frozenset[str]):
        self._above = {name: name for name in names}
        self._named = named

    def find(self, name: str) -> str:
        while self._above[name] != name:
            self._above[name] = name = self._above[self._above[name]]  # path halving
        return name

    def merge(self, one: str, other: str) -> bool:
        """Merges two groups; returns whether they were different."""
        one, other = sorted((self.find(one), self.find(other)), key=lambda name: (name not in self._named, name))
        self._above[other] = one
        return one != other

"""Source groups: which pictures must be on one side of the split.

A table names the groups; a picture that it does not name is a group of its own. Groups with identical files or nearly
identical pictures are then merged, so that no copy of a training picture is tested on.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from drujax.data.labels import Measured
from drujax.data.near_copies import find_near_copies


@dataclasses.dataclass(frozen=True)
class Copies:
    """Copies that were in different groups.

    Attributes:
        exact: number of groups joined with another by an identical file.
        near: number of further groups joined by a nearly identical picture.
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
    """Merges groups that contain copies of each other's pictures.

    A merged group takes the first of its names in sorted order, names of the table before ids. Flat pictures, such as
    black frames, do not identify a scene, so identical ones do not merge groups of the table.

    Args:
        pictures: with their groups.
        hashes: of the files, by id; pictures without one are compared by fingerprint only.
        named: the groups of the table.

    Returns:
        The pictures with their new groups, and what was merged.
    """
    groups = Groups({picture.group for picture in pictures}, named)

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
    """Yields pairs of positions whose files are identical, the first of each kind with every later one."""
    first: dict[str, int] = {}
    for position, picture in enumerate(pictures):
        digest = hashes.get(picture.candidate.id)
        if digest is None or (picture.fingerprint is None and picture.group in named):
            continue
        if digest in first:
            yield first[digest], position
        else:
            first[digest] = position


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

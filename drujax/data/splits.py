"""Splits by group: all pictures of a scene, and all crops of a picture, are on one side.

20 % of the dark pictures are for testing and 80 % for training, a tenth of which is the validation set. Shares are of
pictures, met as closely as whole groups allow.
"""

import collections
import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

Side = Literal["train", "test", "val"]
TEST_SHARE = 0.2
VAL_SHARE = 0.1
ROUNDING = 1e-9  # of a share times a count


def assign_sides(groups: Iterable[str], seed: int) -> dict[str, Side]:
    """Assigns each group a side, by the order of a hash of seed and group: a new group moves few others.

    From two groups on there is a test group, from three on a validation group.

    Args:
        groups: the group of each picture; a group of several pictures occurs as often.
        seed: of the split.
    """
    sizes = {group: (count,) for group, count in collections.Counter(groups).items()}
    test = choose_groups(sizes, TEST_SHARE, seed, at_least_one=True)
    rest = {group: size for group, size in sizes.items() if group not in test}
    val = choose_groups(rest, VAL_SHARE, seed, at_least_one=True)
    return {group: "test" if group in test else "val" if group in val else "train" for group in sizes}


def choose_groups(
    sizes: Mapping[str, tuple[int, ...]], share: float, seed: int, *, at_least_one: bool = False
) -> set[str]:
    """Randomly chooses groups that contain about `share` of the pictures of each class, never all of a class.

    Takes groups in the order of a hash of seed and name as long as no class exceeds its share, then any that bring the
    totals closer to the shares. So a share may be exceeded, but by less than it would otherwise be missed. If the
    groups of a class are too large, none of its pictures are chosen.

    Args:
        sizes: group -> its pictures of each class.
        share: 0..1, of each class.
        seed: of the choice.
        at_least_one: takes the group closest to the share if none would be chosen and there are at least two.
    """
    names = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    if not names:
        return set()
    size = np.array([sizes[name] for name in names])
    total = size.sum(axis=0)
    quota, chosen = share * total, np.zeros(len(names), bool)
    held = np.zeros_like(total)
    for i in range(len(names)):
        within = (size[i] == 0) | (held + size[i] <= quota + ROUNDING) & (held + size[i] < total)
        if within.all():
            chosen[i] = True
            held += size[i]
    while True:
        allowed = ~chosen & ((size == 0) | (held + size < total)).all(axis=1)
        missed = np.where(allowed, _missed(held + size, quota, total), np.inf)
        best = int(np.argmin(missed))
        needed = at_least_one and not chosen.any() and bool(allowed.any())
        if missed[best] >= _missed(held, quota, total) - ROUNDING and not needed:
            return {name for name, taken in zip(names, chosen, strict=True) if taken}
        chosen[best] = True
        held += size[best]


def _missed(held: np.ndarray, quota: np.ndarray, total: np.ndarray) -> np.ndarray | np.floating:
    """Distance of `held` from `quota`, summed over the classes as fractions of each."""
    return (np.abs(held - quota) / np.maximum(total, 1)).sum(axis=-1)

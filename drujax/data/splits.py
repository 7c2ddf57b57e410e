"""Which side of the split a group of pictures stands on: by group, never by picture or crop.

80 % of the dark groups train and 20 % test; a tenth of those that train is set aside for choosing anything.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal

Side = Literal["train", "test", "val"]
TEST_SHARE = 0.2
VAL_SHARE = 0.1


def assign_sides(groups: Iterable[str], seed: int) -> dict[str, Side]:
    """The side of each group, by the order of a hash of seed and group: a new group moves few others.

    From two groups on there is a test group, from three on a val group.
    """
    ranked = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    test = _share(len(ranked), TEST_SHARE)
    val = _share(len(ranked) - test, VAL_SHARE)
    sides: dict[str, Side] = dict.fromkeys(ranked, "train")
    sides.update(dict.fromkeys(ranked[:test], "test"))
    sides.update(dict.fromkeys(ranked[test : test + val], "val"))
    return sides


def _share(count: int, share: float) -> int:
    return 0 if count < 2 else max(1, round(count * share))

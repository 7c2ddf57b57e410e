"""The dark pictures that a table's rows enhance: a split of the dataset, pairs of real pictures, or painted scenes.

Of the latter two the truth is known, the same scene by day.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from drujax.data.pipeline import Resizing
from drujax.data.scenes import pair
from drujax.errors import UsageError
from drujax.runtime.fingerprint import fingerprint
from drujax.score.evaluation import quasi_pairs, spread

Rgb = UInt8[np.ndarray, "h w 3"]
PAIRS, SCENES = "pairs", "scenes"  # besides the splits of a dataset

# Painted scenes, of no seed that datasets are painted with (experiments.evaluate has the same).
SCENE_SEED, SCENE_COUNT, SCENE_SIZE = 1_000_003, 64, (128, 192)


@dataclasses.dataclass(frozen=True, eq=False)
class DarkPicture:
    """A picture to enhance.

    Attributes:
        name: of the picture.
        group: pictures of one scene are not independent.
        read: returns the picture, and the same scene by day where it is known.
    """

    name: str
    group: str
    read: Callable[[], tuple[Rgb, Rgb | None]]


def of_split(dataset: Any, split: str, at_most: int | None) -> list[DarkPicture]:
    """Returns the pictures of a split of a `Dataset`, evenly spaced. Raises UsageError if there are none."""
    pictures = dataset.split(split)
    if not len(pictures):
        raise UsageError(f"split: {split} of {dataset.path} has no picture")
    rows = pictures.table
    return [
        DarkPicture(rows[i].id, rows[i].group, partial(lambda i: (pictures.image(i), None), i))
        for i in spread(len(pictures), at_most)
    ]


def of_pairs(table: Path, at_most: int | None, on_left_out: Callable[[str], None]) -> list[DarkPicture]:
    """Returns the darker pictures of pairs (see `quasi_pairs`), evenly spaced. Raises UsageError as that does."""
    pairs = quasi_pairs(table, on_left_out)
    return [DarkPicture(pairs[i].name, pairs[i].name, pairs[i].read) for i in spread(len(pairs), at_most)]


def of_scenes(count: int | None) -> list[DarkPicture]:
    """Returns painted scenes under a dark lighting, 64 by default."""
    return [
        DarkPicture(f"scene {i}", str(i), partial(pair, SCENE_SEED, i, SCENE_SIZE))
        for i in range(SCENE_COUNT if count is None else count)
    ]


def at_short_side(picture: DarkPicture, short_side: int) -> DarkPicture:
    """Returns the picture, and its truth, resized as training with `--recipe.short-side` does."""
    resize = Resizing(short_side, short_side=short_side)

    def read() -> tuple[Rgb, Rgb | None]:
        dark, truth = picture.read()
        return resize(dark), None if truth is None else resize(truth)

    return dataclasses.replace(picture, read=read)


def pairs_key(table: Path) -> str:
    """Returns a hash of a table of pairs and its pictures."""
    pairs = quasi_pairs(table, lambda why: None)
    files = [file.path for of in pairs for file in (of.darker, of.brighter)]
    return "".join(map(fingerprint, [table, *files]))


def groups(pictures: Sequence[DarkPicture]) -> Int[np.ndarray, " n"]:
    """Returns the number of the group of each picture."""
    return np.unique([picture.group for picture in pictures], return_inverse=True)[1]

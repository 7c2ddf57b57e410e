"""Pictures whose true illumination is known: the training pictures of a dataset of painted scenes, and ladders.

A ladder is one scene under lightings of each kind and of several levels. Its scenes are in no dataset, so no network
was trained on them.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from drujax.data.dataset import Dataset, Split
from drujax.data.description import read_description
from drujax.data.records import Metadata
from drujax.data.scenes import LIGHT_KINDS, Lighting, illumination, paint
from drujax.data.truth import illuminations
from drujax.errors import UsageError
from drujax.uncertainty.confident_set import CLASSES
from drujax.uncertainty.weighting import fit_sigmoid

LADDER_SEED = 3_000_017  # no other seed that drujax uses by default


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingPictures:
    """The pictures of both training sets: first the confident ones, as `confident_examples` has them, then the others.

    Attributes:
        split: their records.
        confident: how many are confident.
        illumination: true illumination, 1 at full daylight.
        luma: mean luma, 0..255.
    """

    split: Split
    confident: int
    illumination: Float[np.ndarray, " n"]
    luma: Float[np.ndarray, " n"]

    @property
    def rows(self) -> list[Metadata]:
        return self.split.table

    @property
    def classes(self) -> Int[np.ndarray, " c"]:
        """The class of each confident picture, an index in CLASSES."""
        return np.array([CLASSES.index(row.partition) for row in self.rows[: self.confident]], np.int32)

    @property
    def boundary(self) -> float:
        """The illumination at which dark and bright are equally likely, by a sigmoid fitted to the confident ones."""
        of_class = [self.illumination[: self.confident][self.classes == label] for label in range(len(CLASSES))]
        slope, offset = fit_sigmoid(*of_class)
        return -offset / slope

    @property
    def bright(self) -> Bool[np.ndarray, " n"]:
        """The true class: whether the illumination is above `boundary`."""
        return self.illumination > self.boundary

    def partition(self, name: str) -> Bool[np.ndarray, " n"]:
        """Marks the pictures of a class of QAB."""
        return np.array([row.partition == name for row in self.rows])


@dataclasses.dataclass(frozen=True, eq=False)
class Ladders:
    """Scenes under several lightings.

    Attributes:
        size: of the pictures, h w.
        scene: index of each picture's scene.
        kind: index of the kind of its lighting in LIGHT_KINDS.
        level: of its lighting, 0..1.
        illumination: true illumination, 1 at full daylight.
    """

    size: tuple[int, int]
    scene: Int[np.ndarray, " m"]
    kind: Int[np.ndarray, " m"]
    level: Float[np.ndarray, " m"]
    illumination: Float[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.scene)

    def images(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Paints the pictures, one at a time."""
        for scene, lighting in zip(self.scene.tolist(), _lightings(self.kind, self.level), strict=True):
            yield paint(LADDER_SEED, scene, self.size, lighting)


def training_pictures(dataset: Dataset) -> TrainingPictures:
    """Returns the training pictures of a dataset of painted scenes.

    Raises:
        UsageError: of other pictures, or without confident ones of both classes, or without uncertain ones.
    """
    truth = illuminations(dataset)
    sets = (dataset.train_dark, dataset.train_bright)
    confident = [split.confident(label) for label in CLASSES for split in sets]
    joined, *others = [*confident, *(split.where(lambda row: row.partition == "uncertain") for split in sets)]
    for split in others:
        joined += split
    rows = joined.table
    counted = {name: sum(row.partition == name for row in rows) for name in (*CLASSES, "uncertain")}
    for name, count in counted.items():
        if not count:
            raise UsageError(
                f"data: none of the {len(rows)} training pictures of {dataset.path} is {name} by QAB"
                + "; experiments.prepare --labels=classifier labels uncertain pictures" * (name == "uncertain")
            )
    return TrainingPictures(
        joined,
        sum(map(len, confident)),
        np.array([truth[row.id] for row in rows]),
        np.array([np.mean(row.quartile_means) for row in rows]),
    )


def ladders(dataset: Dataset, scenes: int, levels: int) -> Ladders:
    """Returns ladders of `scenes` scenes, under lightings of each kind and of `levels` levels from 0 to 1, of the size
    of the dataset's pictures."""
    h, w = read_description(dataset.path)["settings"]["source"]["size"]
    places = np.indices((scenes, len(LIGHT_KINDS), levels)).reshape(3, -1)
    scene, kind, step = places
    level = step / (levels - 1)
    light = [
        illumination(LADDER_SEED, index, lighting)
        for index, lighting in zip(scene.tolist(), _lightings(kind, level), strict=True)
    ]
    return Ladders((h, w), scene, kind, level, np.array(light))


def _lightings(kind: Int[np.ndarray, " m"], level: Float[np.ndarray, " m"]) -> list[Lighting]:
    return [Lighting(LIGHT_KINDS[k], of) for k, of in zip(kind.tolist(), level.tolist(), strict=True)]

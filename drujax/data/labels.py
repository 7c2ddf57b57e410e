"""Labels each picture as dark or bright: by QAB, by F_dark/bright (eq. 3), or by hand.

The functions return {id: Labelled}; a picture without a label is left out of the dataset.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args, overload

import numpy as np
from jaxtyping import Float

from drujax.data.qab import Partition
from drujax.data.records import Label, LabelOrigin
from drujax.data.sources import Candidate, read_assignments
from drujax.data.splits import Side
from drujax.errors import UsageError, unknown

LABELS: tuple[Label, ...] = get_args(Label)

# F_dark/bright: (confident pictures, their labels (0 dark, 1 bright), their groups, uncertain pictures) -> softmax
# (dark, bright) of each uncertain one. Pictures are UInt8 h w 3 of any size, decoded when indexed. A held-out set must
# consist of whole groups.
LabelUncertain = Callable[
    [Sequence[np.ndarray], np.ndarray, Sequence[str], Sequence[np.ndarray]], Float[np.ndarray, "n 2"]
]


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """A readable picture with its group and brightness."""

    candidate: Candidate
    group: str
    quartile_means: tuple[float, float, float, float]
    partition: Partition
    size: tuple[int, int]  # h, w


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """A label, its origin, and its probability by F_dark/bright, None where that was not used."""

    label: Label
    origin: LabelOrigin
    probability: float | None = None


def by_brightness(pictures: Iterable[Measured]) -> dict[str, Labelled]:
    """Labels the confident pictures by their QAB class."""
    return {p.candidate.id: Labelled(p.partition, "qab") for p in pictures if p.partition != "uncertain"}


def by_hand(table: Path, pictures: Sequence[Measured]) -> tuple[dict[str, Labelled], Iterable[str]]:
    """Reads the labels in the CSV file `table` (file,label); also returns its names that match no picture.

    Raises:
        UsageError: a label is neither dark nor bright, or the table is invalid (see `read_assignments`).
    """

    def check(label: str) -> None:
        if label not in LABELS:
            raise unknown(f"{table}: label", label, LABELS)

    values, unmatched = read_assignments(table, "label", [p.candidate for p in pictures], check)
    return {name: Labelled(label, "manual") for name, label in values.items()}, unmatched  # pyright: ignore


def by_classifier(
    pictures: Sequence[Measured], sides: Mapping[str, Side], label_uncertain: LabelUncertain
) -> dict[str, Labelled]:
    """Labels confident pictures by their QAB class and uncertain ones by F_dark/bright.

    The classifier is trained once, on the confident pictures of the training groups.

    Raises:
        UsageError: a class has no confident picture to train on.
    """
    labelled = by_brightness(pictures)
    known = [p for p in pictures if p.candidate.id in labelled and sides.get(p.group, "train") == "train"]
    for label in LABELS:
        if all(p.partition != label for p in known):
            raise UsageError(f"labels: classifier has no confidently {label} picture to train on")
    unsure = [p for p in pictures if p.partition == "uncertain"]
    if unsure:
        classes = np.array([LABELS.index(labelled[p.candidate.id].label) for p in known])
        softmax = label_uncertain(Pictures(known), classes, [p.group for p in known], Pictures(unsure))
        for picture, probabilities in zip(unsure, softmax, strict=True):
            label = LABELS[int(np.argmax(probabilities))]
            labelled[picture.candidate.id] = Labelled(label, "classifier", float(np.max(probabilities)))
    return labelled


class Pictures(Sequence[np.ndarray]):
    """The decoded images (UInt8 h w 3), read when indexed."""

    def __init__(self, pictures: Sequence[Measured]):
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> "Pictures": ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return Pictures(self._pictures[index])
        return self._pictures[index].candidate.rgb()

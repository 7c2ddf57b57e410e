"""Dark or bright: the label of each picture, by its brightness, by F_dark/bright (eq. 3), or by hand.

A function here gives {id: Labelled}; pictures that are missing in it have no label and are left out.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args, overload

import numpy as np
from jaxtyping import Float

from drujax.data.near_copies import Fingerprint
from drujax.data.qab import Partition
from drujax.data.records import Label, LabelOrigin
from drujax.data.sources import Candidate, read_assignments
from drujax.data.splits import Side
from drujax.errors import UsageError, unknown

LABELS: tuple[Label, ...] = get_args(Label)

# F_dark/bright: (confident pictures, their labels (0 dark, 1 bright), their groups, uncertain pictures) -> softmax
# (dark, bright) of each uncertain one. The pictures are UInt8 h w 3 of any size and are decoded when they are indexed.
# Those of a group must not stand on both sides where some are held out to measure the classifier.
LabelUncertain = Callable[
    [Sequence[np.ndarray], np.ndarray, Sequence[str], Sequence[np.ndarray]], Float[np.ndarray, "n 2"]
]


@dataclasses.dataclass(frozen=True)
class Measured:
    """A readable picture with its group, brightness and what it is compared with others by."""

    candidate: Candidate
    group: str
    quartile_means: tuple[float, float, float, float]
    partition: Partition
    size: tuple[int, int]  # h, w
    fingerprint: Fingerprint | None = None  # None for even pictures


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A label, who gave it, and the classifier's probability of it if the classifier did."""

    label: Label
    origin: LabelOrigin
    probability: float | None = None


def by_brightness(pictures: Iterable[Measured]) -> dict[str, Labelled]:
    """The QAB class of the confident pictures."""
    return {p.candidate.id: Labelled(p.partition, "qab") for p in pictures if p.partition != "uncertain"}


def by_hand(table: Path, pictures: Sequence[Measured]) -> tuple[dict[str, Labelled], list[str]]:
    """The labels in the CSV file `table` (file,label), and its names that are no picture's.

    Raises:
        UsageError: a label other than dark and bright, or what `read_assignments` refuses.
    """

    def check(label: str) -> None:
        if label not in LABELS:
            raise unknown(f"{table}: label", label, LABELS)

    values, strangers = read_assignments(table, "label", [p.candidate for p in pictures], check)
    return {name: Labelled(label, "manual") for name, label in values.items()}, strangers  # pyright: ignore


def by_classifier(
    pictures: Sequence[Measured], sides: Mapping[str, Side], label_uncertain: LabelUncertain
) -> dict[str, Labelled]:
    """The QAB class of the confident pictures, and F_dark/bright's of the uncertain ones, asked once.

    The classifier learns from the confident pictures of the groups that train.

    Raises:
        UsageError: one of the classes has no confident picture to learn from.
    """
    labelled = by_brightness(pictures)
    known = [p for p in pictures if p.candidate.id in labelled and sides.get(p.group, "train") == "train"]
    for label in LABELS:
        if all(p.partition != label for p in known):
            raise UsageError(f"--labels=classifier: no confidently {label} picture to train on.")
    unsure = [p for p in pictures if p.partition == "uncertain"]
    if unsure:
        classes = np.array([LABELS.index(labelled[p.candidate.id].label) for p in known])
        softmax = label_uncertain(Pictures(known), classes, [p.group for p in known], Pictures(unsure))
        for picture, probabilities in zip(unsure, softmax, strict=True):
            label = LABELS[int(np.argmax(probabilities))]
            labelled[picture.candidate.id] = Labelled(label, "classifier", float(np.max(probabilities)))
    return labelled


class Pictures(Sequence[np.ndarray]):
    """The decoded pictures (UInt8 h w 3), read when they are indexed."""

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

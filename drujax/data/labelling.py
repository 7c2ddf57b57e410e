"""The labels of all pictures of a dataset, with a person's corrections, and the side of each group.

The side of every group is fixed before the classifier is trained: groups with a confidently dark picture, and groups
that may turn out dark because of an uncertain one, are each split by drujax.data.splits. So the test pictures of
`labels="qab"` are also test pictures of "classifier", and F_dark/bright is not trained on pictures of test or val
groups.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drujax.data.corrections import Correction, correct, read_classified, read_corrections
from drujax.data.description import changed_settings, read_description
from drujax.data.labels import Labelled, LabelUncertain, Measured, by_brightness, by_classifier, by_hand
from drujax.data.splits import Side, assign_sides
from drujax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Labelling:
    """The labels of pictures by id.

    Attributes:
        labelled: the labels; a picture without one is left out of the dataset.
        before: the labels before corrections.
        corrections: of a person.
        sides: by group; those that are missing are for training.
        notes: on the tables that were read.
    """

    labelled: dict[str, Labelled]
    before: dict[str, Labelled]
    corrections: dict[str, Correction]
    sides: dict[str, Side]
    notes: list[str]

    def kept(self, pictures: Iterable[Measured]) -> list[Measured]:
        """Returns the pictures that no correction leaves out."""
        return [picture for picture in pictures if self.corrections.get(picture.candidate.id) != "out"]


def label(
    pictures: Sequence[Measured],
    labels: str | Path,
    label_uncertain: LabelUncertain | None,
    classified: Mapping[str, Labelled] | None,
    corrections: Sequence[Path],
    seed: int,
) -> Labelling:
    """Labels the pictures.

    Args:
        pictures: with their groups.
        labels: "qab", "classifier" or a CSV file (file,label).
        label_uncertain: F_dark/bright, for "classifier" without `classified`.
        classified: what F_dark/bright said of these pictures before.
        corrections: CSV files (file,label).
        seed: of the split.

    Raises:
        UsageError: a table is invalid, or no picture has a label.
    """
    corrected, unmatched = read_corrections(corrections, [picture.candidate for picture in pictures])
    notes = [unmatched_note(table, rows) for table, rows in unmatched.items()]
    before, sides, more = _label(pictures, labels, label_uncertain, classified, seed)
    labelled = correct(before, corrected)
    if not labelled:
        raise UsageError(_nothing_labelled(len(pictures), corrected))
    return Labelling(labelled, before, corrected, sides, [*notes, *more])


def reused(dataset: Path, settings: Mapping[str, Any]) -> dict[str, Labelled]:
    """Reads the labels that F_dark/bright chose for another dataset.

    Raises:
        UsageError: it was built with other settings, corrections aside, or without F_dark/bright.
    """
    others = {name: value for name, value in settings.items() if name != "corrections"}
    classified = read_classified(dataset)
    if changes := changed_settings(read_description(dataset)["settings"], others):
        raise UsageError(f"reuse: {dataset} was prepared with other settings ({changes})")
    return classified


def unmatched_note(table: Path, names: Iterable[str]) -> str:
    """Describes the names in a table that match no picture."""
    names = list(names)
    return f"{table} names {len(names)} pictures that are not in the sources (first: {names[0]})"


def _label(
    pictures: Sequence[Measured],
    labels: str | Path,
    label_uncertain: LabelUncertain | None,
    classified: Mapping[str, Labelled] | None,
    seed: int,
) -> tuple[dict[str, Labelled], dict[str, Side], list[str]]:
    """Returns the labels before corrections, the side of each group, and notes on the table of labels."""
    if isinstance(labels, Path):
        labelled, unmatched = by_hand(labels, pictures)
        notes = [unmatched_note(labels, unmatched)] if unmatched else []
        dark = [p.group for p in pictures if p.candidate.id in labelled and labelled[p.candidate.id].label == "dark"]
        return labelled, assign_sides(dark, seed), notes
    dark = [picture.group for picture in pictures if picture.partition == "dark"]
    dark_groups = set(dark)
    perhaps = [p.group for p in pictures if p.partition == "uncertain" and p.group not in dark_groups]
    sides = assign_sides(dark, seed) | assign_sides(perhaps, seed)
    if labels == "qab":
        return by_brightness(pictures), sides, []
    if classified is not None:
        return by_brightness(pictures) | dict(classified), sides, []
    if label_uncertain is None:
        raise ValueError(f"labels={labels!r} needs label_uncertain")
    return by_classifier(pictures, sides, label_uncertain), sides, []


def _nothing_labelled(count: int, corrections: Mapping[str, str]) -> str:
    if corrections:
        return f"corrections: none of the {count} pictures has a label, or all are left out"
    return f"labels: all {count} pictures are uncertain by QAB; label them by classifier or a CSV file"

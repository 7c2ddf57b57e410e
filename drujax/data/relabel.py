"""Training sets for the studies of sec. 4.3: restricted by QAB class (Table 2), and with wrong labels (Table 3).

Only train_dark and train_bright change. The records stay those of the dataset, with the dataset's own label: a record
whose `label` differs from the set that it is in was relabelled.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from drujax.data.dataset import Dataset, Split
from drujax.data.labels import LABELS
from drujax.data.records import Label, Metadata
from drujax.errors import UsageError, unknown
from drujax.runtime.atomic_write import write_atomically

Subset = Literal["all", "confident", "uncertain"]
SUBSETS: tuple[Subset, ...] = get_args(Subset)

LABELS_FILE = "labels.csv"  # in the folder of a run: the label of the dataset, and that of the run

Labels = Mapping[str, Label]  # of the records of train_dark and train_bright, by id


def restricted(dataset: Dataset, subset: Subset, uncertain_share: float = 1.0) -> Dataset:
    """Selects the training pictures with a confident or an uncertain QAB class; "all" selects all.

    Of the uncertain ones, `uncertain_share` stays. Which depends on their ids only: a larger share keeps the same ones,
    and more.

    Raises:
        UsageError: a training set would be empty, or the share is not in 0..1.
    """
    if not 0 <= uncertain_share <= 1:
        raise UsageError(f"uncertain_share: must be between 0 and 1, got {uncertain_share}")
    if subset == "all" and uncertain_share == 1:
        return dataset

    def stays(row: Metadata) -> bool:
        if row.partition != "uncertain":
            return subset != "uncertain"
        return subset != "confident" and _uniform(f"uncertain share/{row.id}") < uncertain_share

    kept = {}
    for label in LABELS:
        split = getattr(dataset, f"train_{label}")
        kept[f"train_{label}"] = split.where(stays)
        if not kept[f"train_{label}"]:
            kind = (
                subset if subset != "all" else f"confident or among the chosen {uncertain_share:.0%} of the uncertain"
            )
            raise UsageError(
                f"partition: none of the {len(split)} pictures of train_{label} in {dataset.path} is {kind} by QAB"
                + "; experiments.prepare --labels=classifier labels uncertain pictures" * (subset == "uncertain")
            )
    return _with(dataset, **kept)


def relabelled(dataset: Dataset, labels: Labels) -> Dataset:
    """Moves training pictures to the set of their new label: first those that were there, then those that join it.

    Raises:
        UsageError: `labels` is not about exactly these pictures.
    """
    rows = _training_rows(dataset)
    if labels.keys() != rows.keys():
        some = next(iter(labels.keys() ^ rows.keys()))
        raise UsageError(f"labels of other training pictures than those of {dataset.path} (for example {some})")
    return _with(
        dataset,
        train_dark=_labelled("dark", labels, dataset.train_dark, dataset.train_bright),
        train_bright=_labelled("bright", labels, dataset.train_bright, dataset.train_dark),
    )


def flipped_labels(dataset: Dataset, probability: float, seed: int) -> dict[str, Label]:
    """Flips the label of each training picture with a known probability, whatever the other pictures.

    Which are flipped depends on the seed and their ids only. With a higher probability the same ones are flipped, and
    more; of a part of the dataset, the same ones as of the whole.

    Raises:
        UsageError: the probability is not in 0..1.
    """
    if not 0 <= probability <= 1:
        raise UsageError(f"label_noise: must be between 0 and 1, got {probability}")
    other: dict[Label, Label] = {"dark": "bright", "bright": "dark"}
    return {
        name: other[label] if _uniform(f"label noise/{seed}/{name}") < probability else label
        for name, (label, _) in _training_rows(dataset).items()
    }


def label_changes(dataset: Dataset) -> dict[str, int]:
    """Counts the training pictures, those that were relabelled, and the confident ones whose set contradicts QAB."""
    rows = _training_rows(dataset).values()
    return {
        "pictures": len(rows),
        "dark_to_bright": sum((row.label, label) == ("dark", "bright") for label, row in rows),
        "bright_to_dark": sum((row.label, label) == ("bright", "dark") for label, row in rows),
        "confident": sum(row.partition != "uncertain" for _, row in rows),
        "confident_wrong": sum(row.partition not in ("uncertain", label) for label, row in rows),
    }


def write_labels(path: Path, dataset: Dataset) -> None:
    """Writes a CSV of the training pictures: id, label (the dataset's), trained_as (the set it is in), partition."""
    content = io.StringIO()
    table = csv.writer(content, lineterminator="\n")
    table.writerow(["id", "label", "trained_as", "partition"])
    for name, (label, row) in _training_rows(dataset).items():
        table.writerow([name, row.label, label, row.partition])
    write_atomically(path, content.getvalue().encode())


def read_labels(path: Path) -> dict[str, Label]:
    """Reads the labels that `write_labels` wrote. Raises UsageError for another file."""
    labels: dict[str, Label] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if "id" not in row or "trained_as" not in row:
                raise UsageError(f"{path}: not a table of training labels")
            if row["trained_as"] not in LABELS:
                raise unknown(f"{path}: trained_as", row["trained_as"], LABELS)
            labels[row["id"]] = row["trained_as"]  # pyright: ignore[reportArgumentType]
    return labels


def _training_rows(dataset: Dataset) -> dict[str, tuple[Label, Metadata]]:
    """Returns the set (its label) and the metadata of each training picture, by id."""
    return {row.id: (label, row) for label in LABELS for row in dataset.table(f"train_{label}")}


def _labelled(label: Label, labels: Labels, own: Split, other: Split) -> Split:
    def has(row: Metadata) -> bool:
        return labels[row.id] == label

    return own.where(has) + other.where(has)


def _with(dataset: Dataset, *, train_dark: Split, train_bright: Split) -> Dataset:
    return Dataset(dataset.path, train_dark, train_bright, dataset.test_dark, dataset.val_dark)


def _uniform(name: str) -> float:
    """A number in [0, 1) that depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48

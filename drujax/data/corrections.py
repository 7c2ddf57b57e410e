"""Corrections by a person (sec. 3.1 of the paper): labels that replace those of QAB and of F_dark/bright.

Corrections are applied after the labelling. They change neither what F_dark/bright is trained on nor the side of a
group, so the labels, probabilities and sides of all other pictures stay as they are.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from drujax.data.labels import Labelled
from drujax.data.sources import Candidate, read_assignments
from drujax.errors import UsageError, unknown

Correction = Literal["dark", "bright", "out"]  # out: left out of the dataset
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
CLASSIFIED = "classified.csv"  # what F_dark/bright said, before any correction; in the folder of the dataset


def read_corrections(
    tables: Sequence[Path], candidates: Sequence[Candidate]
) -> tuple[dict[str, Correction], dict[Path, dict[str, Correction]]]:
    """Reads CSV files (file,label), such as the pages of a review write.

    Returns:
        Candidate id -> correction; and by table, the rows whose name matches no candidate.

    Raises:
        UsageError: a label is not one of CORRECTIONS, two tables contradict each other, or a table is invalid (see
            `read_assignments`).
    """
    corrections: dict[str, Correction] = {}
    unmatched: dict[Path, dict[str, Correction]] = {}
    for table in tables:
        found, rest = _read(table, candidates)
        for name, label in found.items():
            if corrections.setdefault(name, label) != label:
                raise UsageError(f"{table}: {name} is {label}, but {corrections[name]} in another table of corrections")
        if rest:
            unmatched[table] = rest
    return corrections, unmatched


def _read(table: Path, candidates: Sequence[Candidate]) -> tuple[dict[str, Correction], dict[str, Correction]]:
    def check(label: str) -> None:
        if label not in CORRECTIONS:
            raise unknown(f"{table}: label", label, CORRECTIONS)

    return cast(Any, read_assignments(table, "label", candidates, check))


def correct(labelled: Mapping[str, Labelled], corrections: Mapping[str, Correction]) -> dict[str, Labelled]:
    """Replaces the labels of the corrected pictures, by id; those to leave out have none.

    The classifier's probability is kept: that of the new label, so below 0.5 where the classifier was overruled.
    """
    corrected = {name: label for name, label in labelled.items() if name not in corrections}
    for name, label in corrections.items():
        if label != "out":
            corrected[name] = Labelled(label, "manual", _probability(labelled.get(name), label))
    return corrected


def _probability(before: Labelled | None, label: str) -> float | None:
    if before is None or before.probability is None:
        return None
    return before.probability if before.label == label else 1 - before.probability


def write_classified(folder: Path, labelled: Mapping[str, Labelled]) -> None:
    """Writes the labels that F_dark/bright chose, with their probabilities, to `folder`."""
    with (folder / CLASSIFIED).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "probability"])
        for name, chosen in labelled.items():
            if chosen.origin == "classifier":
                writer.writerow([name, chosen.label, chosen.probability])


def read_classified(dataset: Path) -> dict[str, Labelled]:
    """Reads what `write_classified` wrote. Raises UsageError if there is none."""
    if not (dataset / CLASSIFIED).is_file():
        raise UsageError(f"reuse: {dataset} holds no {CLASSIFIED}; it was not labelled by the classifier")
    with (dataset / CLASSIFIED).open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: Labelled(row["label"], "classifier", float(row["probability"]))  # pyright: ignore
            for row in csv.DictReader(file)
        }

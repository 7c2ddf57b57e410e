"""What a training run found out about its dataset: the relativistic probability of each training picture."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from drujax.data.dataset import Dataset
from drujax.data.relabel import LABELS_FILE, label_changes, read_labels, relabelled
from drujax.errors import UsageError

# The names under which `drujax.uncertainty` writes them.
REPORT, TABLES = "probability.json", "relativistic_probabilities.npz"


class RunResults(NamedTuple):
    """Results of a run.

    Attributes:
        report: accuracy and calibration of the probability network, histograms of RP.
        rp: "dark" and "bright": id -> relativistic probability, of the pictures in the run's training sets.
        changes: how many labels the run changed (`drujax.data.relabel.label_changes`); None if it changed none.
    """

    report: dict[str, Any]
    rp: Mapping[str, Mapping[str, float]]
    changes: dict[str, int] | None


def read_run(workdir: Path, dataset: Dataset) -> RunResults:
    """Reads the results of the run in `workdir`.

    Raises:
        UsageError: it has no relativistic probabilities, or is a run on another dataset.
    """
    if not (workdir / TABLES).is_file():
        raise UsageError(f"run: no relativistic probabilities in {workdir} (no {TABLES})")
    with np.load(workdir / TABLES) as stored:
        rp = {
            name: dict(zip(stored[f"{name}_id"].tolist(), stored[name].tolist(), strict=True))
            for name in ("dark", "bright")
        }
    own = {row.id for name in ("train_dark", "train_bright") for row in dataset.table(name)}
    if foreign := sorted({*rp["dark"], *rp["bright"]} - own):
        raise UsageError(f"run: {workdir} was trained on another dataset ({foreign[0]} is not in {dataset.path})")
    changes = None
    if (workdir / LABELS_FILE).is_file():
        changes = label_changes(relabelled(dataset, read_labels(workdir / LABELS_FILE)))
    return RunResults(json.loads((workdir / REPORT).read_text(encoding="utf-8")), rp, changes)

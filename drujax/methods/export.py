"""Metadata of trained weights about their training."""

import dataclasses
from pathlib import Path
from typing import Any

from drujax.data.description import labels_licence
from drujax.data.relabel import label_changes
from drujax.methods.config import TrainConfig
from drujax.uncertainty.rp_table import tables_licence
from drujax.weights.pretrained.backbones import results_licence
from drujax.weights.safetensors_io import read_metadata


def weights_metadata(config: TrainConfig, dataset: Any) -> dict[str, Any]:
    """Return method, backbone, recipe, seed and data of a run, and the licence that its initial weights, those of its
    probability network and the labels of its data impose.

    A run of sec. 4.3 adds "study": its options, and how many labels of its training sets are not the dataset's.

    `dataset` is a `drujax.data.dataset.Dataset`, with the training sets of the run. Raises UsageError or OSError if the
    weights cannot be read.
    """
    data = f"{config.scenes} synthetic scenes" if config.data is None else config.data.name
    start = {name: path for name, path in config.init_files.items() if path is not None}
    licences = {_licence(path) for path in start.values()} | {labels_licence(dataset.path)}
    if config.uncertainty != "none":
        tables = config.probabilities
        licences.add(results_licence(config.pretrained) if tables is None else tables_licence(tables))
    if config.relabel != "none":
        licences.add(results_licence(config.relabel_pretrained))
    licences = {licence for licence in licences if licence not in (None, "Apache-2.0")}
    return {
        **({"started_from": {name: path.name for name, path in start.items()}} if start else {}),
        **({"licence": " and ".join(sorted(licences))} if licences else {}),
        "training_data": f"{data}: {len(dataset.train_dark)} dark, {len(dataset.train_bright)} bright pictures",
        **({"study": {**config.study, **label_changes(dataset)}} if config.study else {}),
        "method": config.method,
        "backbone": config.uncertainty,
        **({} if config.weighting == "rp" else {"weighting": config.weighting}),
        "recipe": dataclasses.asdict(config.recipe),
        "seed": config.seed,
    }


def _licence(path: Path) -> str:
    """Return the licence of weights, which weights that start from them inherit."""
    if path.suffix != ".safetensors":
        return f"that of {path.name}"
    return read_metadata(path).get("licence", f"that of {path.name}")

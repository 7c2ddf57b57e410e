"""Metadata of trained weights about their training."""

import dataclasses
from pathlib import Path
from typing import Any

from drujax.data.prepare import labels_licence
from drujax.methods.config import TrainConfig
from drujax.weights.pretrained.backbones import results_licence
from drujax.weights.safetensors_io import read_metadata


def weights_metadata(config: TrainConfig, dataset: Any) -> dict[str, Any]:
    """Return method, backbone, recipe, seed and data of a run, and the licence that its initial weights, those of its
    probability network and the labels of its data impose.

    `dataset` is a `drujax.data.dataset.Dataset`. Raises UsageError or OSError if the weights cannot be read.
    """
    data = f"{config.scenes} synthetic scenes" if config.data is None else config.data.name
    start = {name: path for name, path in config.init_files.items() if path is not None}
    licences = {_licence(path) for path in start.values()} | {labels_licence(dataset.path)}
    if config.uncertainty != "none":
        licences.add(results_licence(config.pretrained))
    licences = {licence for licence in licences if licence not in (None, "Apache-2.0")}
    return {
        **({"started_from": {name: path.name for name, path in start.items()}} if start else {}),
        **({"licence": " and ".join(sorted(licences))} if licences else {}),
        "training_data": f"{data}: {len(dataset.train_dark)} dark, {len(dataset.train_bright)} bright pictures",
        "method": config.method,
        "backbone": config.uncertainty,
        "recipe": dataclasses.asdict(config.recipe),
        "seed": config.seed,
    }


def _licence(path: Path) -> str:
    """Return the licence of weights, which weights that start from them inherit."""
    if path.suffix != ".safetensors":
        return f"that of {path.name}"
    return read_metadata(path).get("licence", f"that of {path.name}")

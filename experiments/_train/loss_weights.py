"""The weights of the training images in the losses: relativistic probabilities, or a control."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from drujax.data.dataset import Dataset
from drujax.methods.config import TrainConfig
from drujax.uncertainty.confident_set import Example
from drujax.uncertainty.run_tables import load_or_compute_tables
from drujax.uncertainty.weighting import weight_tables


def loss_weights(
    config: TrainConfig, workdir: Path, dataset: Dataset, confident: Iterator[Example]
) -> dict[str, Any] | None:
    """Returns the weight of each training image, relativistic probabilities or a control; None for Vanilla.

    `confident` are the examples that the probability network is trained on, if it has to be.
    """
    if config.uncertainty == "none":
        return None
    arguments = (workdir, dataset, confident, config.uncertainty, config.pretrained, config.probability)
    probabilities = partial(load_or_compute_tables, *arguments, other=config.probabilities)
    return weight_tables(config.weighting, dataset, probabilities, config.seed)

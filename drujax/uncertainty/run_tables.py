"""The relativistic probabilities of a training run, computed once and stored in its folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax

from drujax.uncertainty import network_io
from drujax.uncertainty.confident_set import Example
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.probability import train_probability_network
from drujax.uncertainty.relativistic import full_report, probabilities, relativistic_margins, write_report
from drujax.uncertainty.rp_table import load_tables, look_up_tables, save_tables, tables_licence
from drujax.weights.pretrained.backbones import results_licence

NAME = "relativistic_probabilities.npz"


def load_or_compute_tables(
    workdir: Path,
    dataset: Any,
    examples: Iterable[Example],
    backbone: str,
    pretrained: str,
    recipe: ProbabilityRecipe,
    *,
    other: Path | None = None,
) -> dict[str, Any]:
    """Return the RP tables of `dataset`, as `drujax.uncertainty.relativistic.probabilities` does.

    Reads them from `workdir`; if there are none, takes them from `other`, or trains the probability network. The
    first process writes what it found to `workdir`: the tables, and network and report if it trained one.

    Args:
        workdir: folder of the run.
        dataset: a `drujax.data.dataset.Dataset`.
        examples: what the network is trained on, for example `confident_examples(dataset)`; read only if it is trained.
        backbone: of the probability network, or "centroid".
        pretrained: its initial weights: "imagenet", "none", or a file.
        recipe: how it is trained.
        other: tables of a run with the same training images or more, whose labels may differ.

    Raises:
        UsageError: the initial weights are unavailable, the folder holds tables of another dataset, or `other` lacks
            an image.
    """
    path = workdir / NAME
    if path.exists():
        return load_tables(path, dataset)
    if other is not None:
        tables = look_up_tables(other, dataset)
        if jax.process_index() == 0:
            save_tables(path, tables, dataset, tables_licence(other))
        return tables
    network = train_probability_network(examples, backbone, pretrained, recipe, log=print)
    margins = relativistic_margins(network, dataset)
    tables = probabilities(margins, network.temperature)
    if jax.process_index() == 0:  # all processes have trained the same network
        write_report(workdir, full_report(network, margins))
        network_io.save_network(workdir / network_io.NAME, network)
        save_tables(path, tables, dataset, results_licence(pretrained))
    return tables

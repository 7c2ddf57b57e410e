"""Relativistic probabilities (paper, eq. 4): the illumination uncertainty of each training image.

RP_d = softmax(F_q(x))[0] of the images of train_dark, RP_b = softmax(F_q(x))[1] of those of train_bright, each from
the whole image, not darkened further.
"""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Float32

from drujax.runtime.atomic_write import write_atomically
from drujax.uncertainty.confident_set import CLASSES
from drujax.uncertainty.plots import draw
from drujax.uncertainty.probability import ProbabilityNetwork

Tables = dict[str, Any]  # dark: Float32 n, in the order of train_dark; bright: Float32 m, in that of train_bright

REPORT = "probability.json"
CHART = "probability.png"
BINS = 20
SATURATED = 0.99  # above it an image is weighted nearly as in Vanilla EnlightenGAN


def relativistic_margins(network: ProbabilityNetwork, dataset: Any) -> Tables:
    """Computes by how much the logit of each training image's own class exceeds the other, at temperature 1.

    `dataset` is a `drujax.data.dataset.Dataset`. All processes get the values of the first.
    """
    margins = {}
    for own, name in enumerate(CLASSES):
        split = getattr(dataset, f"train_{name}")
        logits = network.logits(split.image(i) for i in range(len(split)))
        margins[name] = logits[:, own] - logits[:, 1 - own]
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import broadcast_one_to_all

        margins = jax.tree.map(np.asarray, broadcast_one_to_all(margins))
    return margins


def probabilities(margins: Tables, temperature: float) -> Tables:
    """Computes the tables RP_d and RP_b: the softmax of two logits is the sigmoid of their difference."""
    return {name: _sigmoid(margin.astype(np.float64) / temperature) for name, margin in margins.items()}


def relativistic_probabilities(network: ProbabilityNetwork, dataset: Any) -> Tables:
    """Computes RP_d and RP_b of a dataset's training images, in record order, at the network's temperature."""
    return probabilities(relativistic_margins(network, dataset), network.temperature)


def full_report(network: ProbabilityNetwork, margins: Tables) -> dict[str, Any]:
    """Adds the histograms of RP to the network's report, and how a temperature changes their spread."""
    tables = probabilities(margins, network.temperature)
    temperatures = {"before": 1.0, "after": network.report["temperature"]["fitted"]}
    changes = {
        when: {
            **network.report["temperature"][when],
            **{f"rp_{name}": spread(table) for name, table in probabilities(margins, temperature).items()},
        }
        for when, temperature in temperatures.items()
        if temperature is not None
    }
    return {
        **network.report,
        "temperature": {**network.report["temperature"], **changes},
        **{f"rp_{name}": histogram(table) for name, table in tables.items()},
    }


def write_report(workdir: Path, report: dict[str, Any]) -> None:
    """Writes `probability.json` and `probability.png`, its reliability diagram and RP histograms."""
    write_atomically(workdir / REPORT, (json.dumps(report, indent=1) + "\n").encode())
    write_atomically(workdir / CHART, draw(report))


def spread(table: Float[np.ndarray, " n"]) -> dict[str, float | None]:
    """Computes mean, standard deviation, extremes and saturated fraction of a table of RP; None for an empty one."""
    if len(table) == 0:
        return dict.fromkeys(("mean", "std", "min", "max", "saturated"))
    values = (table.mean(dtype=np.float64), table.std(dtype=np.float64), table.min(), table.max())
    named = dict(zip(("mean", "std", "min", "max"), map(float, values), strict=True))
    return {**named, "saturated": float((table > SATURATED).mean())}


def histogram(table: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """Counts a table of RP in BINS equal bins of 0..1; includes its `spread`."""
    edges = np.linspace(0, 1, BINS + 1).round(4)
    counts, _ = np.histogram(table, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist(), **spread(table)}


def _sigmoid(x: Float[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    return (0.5 * (1 + np.tanh(x / 2))).astype(np.float32)

"""Figures of relativistic probabilities: their histograms, and P(bright) against brightness."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from drujax.errors import UsageError
from experiments._figures.style import (
    BLACK,
    PARTITION_COLOURS,
    Width,
    check_figure_path,
    lettered,
    panels,
    save,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 20
TABLES = "relativistic_probabilities.npz"  # in the folder of a run


@dataclasses.dataclass(frozen=True, kw_only=True)
class RP:
    """Relativistic probabilities of a run, by class of QAB, and against the mean luma."""

    # Dataset of the run.
    data: Path
    # Folder of the run, with its relativistic_probabilities.npz.
    workdir: Path
    # Figure to write, .svg or .pdf; a .png is written beside it.
    out: Path
    # Width: a column (3.3 inches, panels one below the other) or a page (6.9 inches, panels side by side).
    width: Width = "page"


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What the figure shows of a training picture: its class of QAB, mean luma (0..255), and RP."""

    partition: str
    luma: float
    rp: float


def rp(config: RP) -> tuple[list[Path], int]:
    """Draws RP_d of train_dark, RP_b of train_bright, and P(bright) of both against the mean luma.

    Raises:
        UsageError: the run has no relativistic probabilities, or they are of another dataset.
    """
    check_figure_path("--out", config.out)
    sets = _read(config.data, config.workdir)
    with style():
        figure, (first, second, third) = panels(3, config.width)
        _histogram(first, sets["dark"], "RP$_d$ of train_dark")
        _histogram(second, sets["bright"], "RP$_b$ of train_bright")
        _against_luma(third, sets)
        lettered((first, second, third))
        return save(figure, config.out), 0


def _read(data: Path, workdir: Path) -> dict[str, list[Picture]]:
    """Returns the pictures of both training sets."""
    from drujax.data.dataset import Dataset
    from drujax.uncertainty.rp_table import look_up_tables

    dataset = Dataset.open(data)
    if not (workdir / TABLES).is_file():
        raise UsageError(f"--workdir: no relativistic probabilities in {workdir} (no {TABLES})")
    tables = look_up_tables(workdir / TABLES, dataset)
    return {
        label: [
            Picture(row.partition, float(np.mean(row.quartile_means)), float(value))
            for row, value in zip(dataset.table(f"train_{label}"), table, strict=True)
        ]
        for label, table in tables.items()
    }


def _histogram(axis: "Axes", pictures: Sequence[Picture], title: str) -> None:
    """Outlines, since classes of QAB differ in size: each bar is a share of its class."""
    for name, colour in PARTITION_COLOURS.items():
        values = np.array([picture.rp for picture in pictures if picture.partition == name])
        if len(values):
            weights = np.full(len(values), 1 / len(values))
            label = f"{name} ({len(values)})"
            axis.hist(values, BINS, range=(0, 1), weights=weights, histtype="stepfilled", color=colour, alpha=0.25)
            axis.hist(values, BINS, range=(0, 1), weights=weights, histtype="step", color=colour, label=label)
    axis.set(xlabel="relativistic probability", ylabel="share of the class", xlim=(0, 1))
    axis.set_title(title, loc="left")
    axis.legend(loc="upper center")


def _against_luma(axis: "Axes", sets: Mapping[str, Sequence[Picture]]) -> None:
    from drujax.uncertainty.weighting import fit_sigmoid

    points = {name: _points(sets, name) for name in PARTITION_COLOURS}
    for name, colour in PARTITION_COLOURS.items():
        luma, bright = points[name]
        axis.plot(luma, bright, ".", color=colour, markersize=2, alpha=0.6, label=name)
    dark, bright = points["dark"][0], points["bright"][0]
    if len(dark) and len(bright):
        slope, offset = fit_sigmoid(dark, bright)
        x = np.linspace(0, 255, 200)
        axis.plot(x, expit(slope * x + offset), color=BLACK, linewidth=0.8, label="sigmoid")
    axis.set(xlabel="mean luma", ylabel="P(bright)", xlim=(0, 255), ylim=(-0.03, 1.03))
    axis.set_title("against brightness", loc="left")
    axis.legend(loc="upper left", handletextpad=0.2)


def _points(
    sets: Mapping[str, Sequence[Picture]], partition: str
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Mean luma and P(bright) of the pictures of a class of QAB in both sets."""
    luma, bright = [], []
    for label, pictures in sets.items():
        of = [picture for picture in pictures if picture.partition == partition]
        luma += [picture.luma for picture in of]
        bright += [picture.rp if label == "bright" else 1 - picture.rp for picture in of]
    return np.array(luma), np.array(bright)

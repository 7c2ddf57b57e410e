"""Draws how P(bright) fits the truth: reliability, and P(bright) against the true illumination."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from experiments._calibration.measures import frequencies
from experiments._calibration.networks import Margins, Pictures
from experiments._figures.style import GREY, PARTITION_COLOURS, Width, lettered, panels, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 8
QUANTILES = 10  # groups of pictures of equal size, for lines through P(bright) against the illumination


def draw(
    path: Path,
    compared: Mapping[str, Sequence[Margins]],
    variants: Mapping[str, Sequence[Margins]],
    pictures: Pictures,
    width: Width,
) -> list[Path]:
    """Writes the figure; returns the files.

    Args:
        path: SVG or PDF.
        compared: networks to compare by label, each with its seeds, of which the first is drawn.
        variants: those of one of them.
        pictures: the pictures.
        width: of the figure.
    """
    with style():
        figure, axes = panels(3, width)
        _reliability(axes[0], compared, pictures)
        _points(axes[1], next(iter(compared.values()))[0], pictures)
        for axis, title, of in (
            (axes[1], "networks", compared),
            (axes[2], f"variants of {next(iter(compared))}", variants),
        ):
            for number, (label, seeds) in enumerate(of.items()):
                line = _running(pictures.training.illumination, expit(seeds[0].training))
                # Dashes, since a refused temperature leaves the line where it is.
                axis.plot(*line, label=label, zorder=2, linestyle=("-", "--")[number % 2])
            axis.axvline(pictures.training.boundary, color=GREY, linewidth=0.5, linestyle=":")
            axis.set(xlabel="true illumination", ylabel="P(bright)", ylim=(-0.03, 1.03))
            axis.set_title(title, loc="left")
            axis.legend(loc="upper left")
        lettered(axes)
        return save(figure, path)


def _points(axis: "Axes", first: Margins, pictures: Pictures) -> None:
    """Every training picture, in the colour of its class of QAB."""
    training = pictures.training
    for name, colour in PARTITION_COLOURS.items():
        chosen = training.partition(name)
        x, y = training.illumination[chosen], expit(first.training[chosen])
        axis.plot(x, y, ".", color=colour, markersize=1.2, alpha=0.5, zorder=1)


def _reliability(axis: "Axes", compared: Mapping[str, Sequence[Margins]], pictures: Pictures) -> None:
    """The share that is bright among pictures with equal P(bright), of the uncertain ones."""
    training = pictures.training
    uncertain = training.partition("uncertain")
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.5, linestyle=":")
    for label, seeds in compared.items():
        means, shares, _ = frequencies(seeds[0].training[uncertain], training.bright[uncertain], BINS)
        axis.plot(means, shares, marker="o", label=label)
    axis.set(xlabel="P(bright)", ylabel="share that is bright", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axis.set_title("uncertain pictures", loc="left")
    axis.legend(loc="upper left")


def _running(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """Means of `x` and `y` over groups of equal size, in the order of `x`."""
    groups = np.array_split(np.argsort(x, kind="stable"), min(QUANTILES, len(x)))
    return [float(x[group].mean()) for group in groups], [float(y[group].mean()) for group in groups]

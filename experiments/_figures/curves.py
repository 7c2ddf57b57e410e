"""Training curves of runs, from their metrics.jsonl; runs that differ in the seed alone are one curve with a band."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro
from jaxtyping import Float

from drujax.errors import UsageError, check_at_least, unknown
from drujax.methods.config import RESUME_MUTABLE
from experiments._figures.style import Width, check_figure_path, panels, save, style
from experiments._tables.jobs import DONE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS, CONFIG = "metrics.jsonl", "config.json"
NOT_SHOWN = ("step", "finite", "pictures_per_second")  # by default
# Options that runs of one curve may differ in. The tables of probabilities may lie in the folders of other runs.
FREE = (*RESUME_MUTABLE, "seed", "probabilities")
LINE = 0.14  # inches for a line of the legend
LONGEST = 40  # characters of a label made of options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curves:
    """Training curves of one or many runs."""

    # Folders of runs; LABEL=RUN names the curve, and runs of one label share it. By default runs share a curve that
    # differ in nothing but the seed. It is named as its row, if experiments.tables trained it; else by the options in
    # which the runs differ, or, where that would be long, by the folder of its first run.
    runs: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[LABEL=]RUN...", help_behavior_hint="")
    ] = ()
    # Figure to write, .svg or .pdf; a .png is written beside it.
    out: Path
    # Metrics to show, a panel each; by default all of the first run but its speed.
    metrics: tuple[str, ...] = ()
    # Number of logged values that are averaged for each point.
    smooth: int = 1
    # Width: a column (3.3 inches) or a page (6.9 inches, three panels side by side).
    width: Width = "page"


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """The logged metrics of a run.

    Attributes:
        steps: at which metrics were logged.
        values: metric -> its values.
    """

    steps: Float[np.ndarray, " n"]
    values: Mapping[str, Float[np.ndarray, " n"]]


def curves(config: Curves) -> tuple[list[Path], int]:
    """Draws a panel for each metric: the mean of each curve's seeds, and a band from the lowest to the highest.

    Raises:
        UsageError: a folder without metrics, an unknown metric.
    """
    check_figure_path("--out", config.out)
    check_at_least(1, **{"--smooth": config.smooth})
    if not config.runs:
        raise UsageError("RUN: give at least one folder of a run")
    grouped = _grouped(config.runs)
    known = list(dict.fromkeys(name for runs in grouped.values() for run in runs for name in run.values))
    for name in config.metrics:
        if name not in known:
            raise unknown("--metrics", name, known)
    chosen = config.metrics or [name for name in known if name not in NOT_SHOWN]
    with style():
        figure, axes = panels(len(chosen), config.width, height=1.6)
        for axis, name in zip(axes, chosen, strict=True):
            for label, runs in grouped.items():
                _curve(axis, label, [run for run in runs if name in run.values], name, config.smooth)
            axis.set(xlabel="step")
            axis.set_title(name, loc="left")
        if len(grouped) > 1 or max(map(len, grouped.values())) > 1:
            _legend(figure, axes, config.width)
        return save(figure, config.out), 0


def _curve(axis: "Axes", label: str, runs: Sequence[Run], name: str, smooth: int) -> None:
    if not runs:
        axis.plot([], [], label=label)  # so that a label keeps its colour in all panels
        return
    steps, values = joined(runs, name, smooth)
    (line,) = axis.plot(steps, values.mean(0), label=f"{label} ({len(runs)} runs)" if len(runs) > 1 else label)
    if len(runs) > 1:
        axis.fill_between(steps, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, linewidth=0)


def _legend(figure: "Figure", axes: "Sequence[Axes]", width: Width) -> None:
    """Names the curves below all panels, and makes room for them."""
    handles, labels = axes[0].get_legend_handles_labels()
    columns = min(len(labels), {"column": 1, "page": 2}[width])
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + LINE * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def read_run(folder: Path) -> Run:
    """Reads the whole lines of a run's metrics; a run that is still going may be writing the last one.

    Raises:
        UsageError: there are none.
    """
    path = folder / METRICS
    if not path.is_file():
        raise UsageError(f"RUN: {folder} is not the folder of a run (no {METRICS})")
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        steps = np.array([row["step"] for row in rows], float)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: damaged metrics ({error})") from None
    if not rows:
        raise UsageError(f"RUN: nothing is logged yet in {folder}")
    return Run(steps, {name: np.array([row.get(name, np.nan) for row in rows], float) for name in rows[0]})


def joined(runs: Sequence[Run], name: str, smooth: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "s n"]]:
    """Returns the steps that all runs have logged, and the values of each run there, means over `smooth` of them."""
    steps = runs[0].steps
    for run in runs[1:]:
        steps = np.intersect1d(steps, run.steps)
    values = np.stack([run.values[name][np.isin(run.steps, steps)] for run in runs])
    window = min(smooth, len(steps))
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    return steps[window - 1 :], (sums[:, window:] - sums[:, : sums.shape[1] - window]) / window


def _grouped(given: Iterable[str]) -> dict[str, list[Run]]:
    """The runs of each curve, by label."""
    named: dict[str, list[Path]] = {}
    unnamed: list[Path] = []
    for text in given:
        label, equals, rest = text.partition("=")
        if equals and not Path(text).exists():
            named.setdefault(label, []).append(Path(rest))
        else:
            unnamed.append(Path(text))
    return {label: [read_run(folder) for folder in folders] for label, folders in (_labelled(unnamed) | named).items()}


def _labelled(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The folders of each configuration, by the options in which it differs from the others."""
    options = {folder: _options(folder) for folder in dict.fromkeys(folders)}
    groups: dict[str, list[Path]] = {}
    for folder, of in options.items():
        groups.setdefault(json.dumps(of, sort_keys=True), []).append(folder)
    names = sorted({name for of in options.values() for name in of})
    differing = [name for name in names if len({json.dumps(of.get(name)) for of in options.values()}) > 1]
    labelled: dict[str, list[Path]] = {}
    for members in groups.values():
        label = _row(members[0]) or _differences(options[members[0]], differing) or members[0].resolve().name
        labelled[label if label not in labelled else str(members[0])] = members
    return labelled


def _row(folder: Path) -> str:
    """The row of a table that the run was trained for; empty for other runs."""
    done = folder / DONE
    return json.loads(done.read_text(encoding="utf-8"))["name"].rpartition(", seed ")[0] if done.is_file() else ""


def _differences(options: Mapping[str, Any], differing: Sequence[str]) -> str:
    """The options in which runs differ; empty if there are none, or too many. Digests of files say nothing."""
    shown = [f"{name}={options[name]}" for name in differing if name in options and not name.startswith("contents.")]
    text = ", ".join(shown)
    return text if len(text) <= LONGEST else ""


def _options(folder: Path) -> dict[str, Any]:
    """The options of a run that its curve depends on, nested ones with dots."""
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(f"RUN: {folder} is not the folder of a run (no {CONFIG})")

    def flat(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        return found

    options = json.loads(path.read_text(encoding="utf-8"))
    return flat({name: value for name, value in options.items() if name not in FREE}, "")

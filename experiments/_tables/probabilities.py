"""The relativistic probabilities behind a table's rows: how much the uncertain pictures count, and their histograms."""

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from drujax.uncertainty.rp_table import PARTS, read_tables
from experiments._figures.rp import BINS, TABLES

if TYPE_CHECKING:
    from experiments._tables.jobs import Job
    from experiments._tables.studies import Row

TITLE = "Relativistic probabilities of the training pictures (seed 0), by their label and whether QAB is sure of it"
_UNCERTAIN = "uncertain"


@dataclasses.dataclass(frozen=True, eq=False)
class Probabilities:
    """What weights the trainings of some rows.

    Attributes:
        rows: names of the rows that share these probabilities.
        of: label and whether QAB is sure of the picture -> RP of these pictures; "dark, confident" and the like. Where
            labels were changed, it is the label that was trained with.
    """

    rows: tuple[str, ...]
    of: Mapping[str, Float[np.ndarray, " n"]]

    @property
    def title(self) -> str:
        return "; ".join(self.rows)

    @property
    def uncertain(self) -> Float[np.ndarray, " n"]:
        return np.concatenate([values for name, values in self.of.items() if name.endswith(_UNCERTAIN)])


def of_rows(todo: Mapping["tuple[Row, int]", "Sequence[Job]"], workdir: Path, dataset: Any) -> list[Probabilities]:
    """Returns those of each row that a probability network weights, rows with the same ones together.

    Args:
        todo: row and seed -> its jobs, the last but one of which trains.
        workdir: of the jobs; rows whose training is not done there are left out.
        dataset: that all rows share.
    """
    sure = {row.id: row.partition != _UNCERTAIN for part in PARTS for row in dataset.table(f"train_{part}")}
    names: dict[bytes, list[str]] = {}
    found: dict[bytes, Mapping[str, Float[np.ndarray, " n"]]] = {}
    for (row, seed), jobs in todo.items():
        if seed or row.backbone is None or not (path := jobs[-2].folder(workdir) / TABLES).is_file():
            continue
        of = _read(path, sure)
        content = b"".join(values.tobytes() for values in of.values())
        names.setdefault(content, []).append(row.name)
        found.setdefault(content, of)
    return [Probabilities(tuple(names[content]), of) for content, of in found.items()]


def table_rows(found: Sequence[Probabilities]) -> list[dict[str, str]]:
    """Returns the rows of a table: mean RP of each class, and the share of uncertain pictures that count for less than
    half: those whose label the network contradicts.
    """
    return [
        {
            "": one.title,
            **{name: f"{values.mean():.3f}" if len(values) else "–" for name, values in one.of.items()},
            "all": f"{np.concatenate(list(one.of.values())).mean():.3f}",
            "uncertain below 1/2": f"{(one.uncertain < 0.5).mean():.0%}" if len(one.uncertain) else "–",
        }
        for one in found
    ]


def histograms(one: Probabilities) -> str:
    """Returns an SVG with a histogram of RP for each class; heights are shares of the class."""
    panels = "".join(
        f'<g transform="translate({index * (_WIDE + _GAP)} 0)">{_panel(name, values)}</g>'
        for index, (name, values) in enumerate(one.of.items())
    )
    size = f"{len(one.of) * (_WIDE + _GAP)} {_HIGH + 2 * _TEXT}"
    return f'<svg viewBox="0 0 {size}" role="img" aria-label="RP of {escape(one.title)}">{panels}</svg>'


_WIDE, _HIGH, _GAP, _TEXT = 200, 80, 20, 16  # of a panel, in units of the SVG


def _panel(name: str, values: Float[np.ndarray, " n"]) -> str:
    counts, _ = np.histogram(values, BINS, range=(0, 1))
    heights = _HIGH * counts / max(1, len(values))
    step = _WIDE / BINS
    bars = "".join(
        f'<rect x="{index * step:g}" y="{_TEXT + _HIGH - height:.1f}" width="{step - 1:g}" height="{height:.1f}"/>'
        for index, height in enumerate(heights)
    )
    axis = f'<path d="M0 {_TEXT + _HIGH}H{_WIDE}" stroke="currentColor"/>'
    low = _TEXT + _HIGH + 12
    ends = f'<text x="0" y="{low}">0</text><text x="{_WIDE}" y="{low}" text-anchor="end">1</text>'
    title = f'<text x="0" y="12">{escape(name)} ({len(values)})</text>'
    return f'<g fill="currentColor" font-size="11">{title}{bars}{ends}</g>{axis}'


def _read(path: Path, sure: Mapping[str, bool]) -> dict[str, Float[np.ndarray, " n"]]:
    of = {}
    for label, table in read_tables(path).items():
        confident = np.array([sure[name] for name in table], bool)
        values = np.array(list(table.values()), np.float32)
        of |= {f"{label}, confident": values[confident], f"{label}, {_UNCERTAIN}": values[~confident]}
    return of

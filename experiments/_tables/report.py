"""A table of scores as text, CSV and a web page: ours beside the paper's, with intervals over seeds and scenes."""

import csv
import dataclasses
import functools
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from drujax.console.tables import markdown as markdown_table
from drujax.console.web_page import web_page
from drujax.metrics.seeds import rank_correlation, seed_interval
from experiments._tables import probabilities
from experiments._tables.probabilities import Probabilities
from experiments._tables.scoring import COMMON_LUMA
from experiments._tables.studies import METRICS, Row

TITLES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "luma_correlation": "luma correlation",
    "chroma_distance": "chroma distance",
    "brisque": "BRISQUE",
    "piqe": "PIQE",
    "niqe": "NIQE",
    "pi": "PI",
    "nima": "NIMA (MobileNet)",
}
MATCHED = "matched_"
DIFFERENCES = "Differences, paired by seed and picture, with 95 % intervals"


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What is known of a row.

    Attributes:
        row: of the table.
        scores: metric -> a score for each seed and picture, NaN where a picture has none; empty without a result.
        hours: of all trainings of the row; None where nothing is trained.
        reason: why there is no result.
    """

    row: Row
    scores: Mapping[str, Float[np.ndarray, "s n"]] = dataclasses.field(default_factory=dict)
    hours: float | None = None
    reason: str = ""

    @property
    def seeds(self) -> int:
        return len(next(iter(self.scores.values()))) if self.scores else 0

    def mean(self, metric: str) -> float:
        values = self.scores.get(metric)
        return float(np.nanmean(values)) if values is not None and not np.isnan(values).all() else math.nan


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table: its results, the metrics and scene groups of its pictures, what is said of it and what weighted it."""

    title: str
    results: Sequence[Result]
    metrics: Sequence[str]
    groups: Int[np.ndarray, " n"]
    about: Sequence[str]  # lines below the table
    truth: bool = False  # whether the scenes are known by day
    probabilities: Sequence[Probabilities] = ()  # that weighted the rows

    @property
    def matched_title(self) -> str:
        target = "the mean luma of its day" if self.truth else f"a mean luma of {COMMON_LUMA:.0f}"
        return f"Gamma-corrected, each picture to {target}"

    def compared(self) -> "list[tuple[Result, Result]]":
        """Pairs of a result and the one that it is compared with."""
        there = {result.row.name: result for result in self.results if result.scores}
        return [
            (result, there[result.row.against])
            for result in there.values()
            if result.row.against in there and result.row.against != result.row.name
        ]


def markdown(table: Table) -> str:
    """The table, the same at a common mean luma, the differences of rows, and notes."""
    parts = [f"# {table.title}", _grid(_main_rows(table))]
    parts += [f"{table.matched_title}:", _grid(_score_rows(table, MATCHED))]
    if differences := _difference_rows(table):
        parts += [f"{DIFFERENCES}:", _grid(differences)]
    if table.probabilities:
        parts += [f"{probabilities.TITLE}:", _grid(probabilities.table_rows(table.probabilities))]
    parts.append("\n".join(f"- {line}" for line in [*_notes(table), *_rank_lines(table)]))
    return "\n\n".join(parts) + "\n"


def as_csv(table: Table) -> str:
    """A line for each row: its scores with their intervals, the paper's, and those at a common mean luma."""
    text = io.StringIO()
    columns = ["row", "seeds", "luma", "hours", "reason"]
    for metric in table.metrics:
        columns += [metric, f"{metric}_low", f"{metric}_high", f"{metric}_paper", f"{metric}_matched"]
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for result in table.results:
        line: dict[str, Any] = {"row": result.row.name, "seeds": result.seeds, "reason": result.reason}
        line |= {"luma": _digits(result.mean("luma"), 2), "hours": _digits(result.hours, 3)}
        for metric in table.metrics:
            low, high = _interval(result, metric, table)
            line |= {metric: _digits(result.mean(metric), 4), f"{metric}_low": _digits(low, 4)}
            line |= {f"{metric}_high": _digits(high, 4), f"{metric}_paper": result.row.paper.get(metric, "")}
            line |= {f"{metric}_matched": _digits(result.mean(MATCHED + metric), 4)}
        writer.writerow(line)
    return text.getvalue()


def page(table: Table, pictures: Mapping[str, Sequence[str]]) -> str:
    """The self-contained web page: the tables, and the first test pictures as each row makes them.

    Args:
        table: as for `markdown`.
        pictures: row -> data addresses of its pictures, in the same order for all rows.
    """
    sections = [f"<h1>{escape(table.title)}</h1>", _html(_main_rows(table))]
    sections += [f"<h2>{table.matched_title}</h2>", _html(_score_rows(table, MATCHED))]
    if differences := _difference_rows(table):
        sections += [f"<h2>{DIFFERENCES}</h2>", _html(differences)]
    if table.probabilities:
        sections += [f"<h2>{probabilities.TITLE}</h2>", _html(probabilities.table_rows(table.probabilities))]
        sections += [f"<p>{escape(of.title)}</p>{probabilities.histograms(of)}" for of in table.probabilities]
    items = "".join(f"<li>{escape(line)}</li>" for line in [*_notes(table), *_rank_lines(table)])
    sections += [f"<ul>{items}</ul>", "<h2>Pictures</h2>"]
    for number in range(max(map(len, pictures.values()), default=0)):
        figures = "".join(
            f'<figure><img loading="lazy" src="{of[number]}" alt="{escape(name)}, test picture {number + 1}">'
            f"<figcaption>{escape(name)}</figcaption></figure>"
            for name, of in pictures.items()
        )
        sections.append(f'<div class="row">{figures}</div>')
    return web_page(escape(table.title), _STYLE, "\n".join(sections))


# ----- rows of text


def _main_rows(table: Table) -> list[dict[str, str]]:
    rows = _score_rows(table, "")
    in_paper = [metric for metric in table.metrics if any(metric in result.row.paper for result in table.results)]
    for row, result in zip(rows, table.results, strict=True):
        for metric in in_paper:
            paper = result.row.paper.get(metric)
            row[f"{metric.upper()} (paper)"] = "" if paper is None else f"{paper:.2f}"
        row["mean luma"] = f"{result.mean('luma'):.0f}" if result.scores else ""
        row["seeds"] = str(result.seeds) if result.hours is not None else ""
        row["hours"] = "" if result.hours is None else f"{result.hours:.2f}"
    return rows


def _score_rows(table: Table, prefix: str) -> list[dict[str, str]]:
    """The mean ± half of its interval; the best of a column in bold, the second underlined."""
    places = {metric: _places(table, prefix + metric, higher=METRICS[metric]) for metric in table.metrics}
    rows = []
    for index, result in enumerate(table.results):
        row = {"": result.row.name}
        for metric in table.metrics:
            mean, (low, high) = result.mean(prefix + metric), _interval(result, prefix + metric, table)
            text = "–" if math.isnan(mean) else f"{mean:.2f}"
            text += "" if math.isnan(low) else f" ± {(high - low) / 2:.2f}"
            mark = {0: "**{}**", 1: "<u>{}</u>"}.get(places[metric].get(index, 2), "{}")
            row[f"{TITLES[metric]} {'↑' if METRICS[metric] else '↓'}"] = mark.format(text)
        rows.append(row)
    return rows


def _places(table: Table, metric: str, *, higher: bool) -> dict[int, int]:
    """Row -> its place, 0 for the best; the pictures as they are take none."""
    means = {
        index: result.mean(metric)
        for index, result in enumerate(table.results)
        if not math.isnan(result.mean(metric)) and result.row.model != "input"
    }
    order = sorted(means, key=lambda index: -means[index] if higher else means[index])
    return {index: place for place, index in enumerate(order)}


def _difference_rows(table: Table) -> list[dict[str, str]]:
    rows = []
    for result, other in table.compared():
        row = {"": f"{result.row.name} − {other.row.name}"}
        for metric in table.metrics:
            for title, prefix in ((TITLES[metric], ""), (f"{TITLES[metric]}, same luma", MATCHED)):
                mean, low, high = difference(result, other, prefix + metric, table)
                row[title] = "–" if math.isnan(mean) else f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        rows.append(row)
    return rows


@functools.cache
def difference(result: Result, other: Result, metric: str, table: Table) -> tuple[float, float, float]:
    """Returns the mean difference of a row from another, and its 95 % interval, paired by seed and picture.

    A row without seeds is compared with every seed of the other.
    """
    first, second = result.scores[metric], other.scores[metric]
    if result.hours is not None and other.hours is not None:
        common = min(len(first), len(second))
        first, second = first[:common], second[:common]
    apart = first - second
    known = ~np.isnan(apart).any(axis=0)
    if not known.any():
        return math.nan, math.nan, math.nan
    return float(apart[:, known].mean()), *seed_interval(apart[:, known], _renumbered(table.groups[known]))


@functools.cache
def _interval(result: Result, metric: str, table: Table) -> tuple[float, float]:
    values = result.scores.get(metric)
    if values is None:
        return math.nan, math.nan
    known = ~np.isnan(values).any(axis=0)
    return seed_interval(values[:, known], _renumbered(table.groups[known])) if known.any() else (math.nan, math.nan)


def _renumbered(groups: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    return np.unique(groups, return_inverse=True)[1]


def _notes(table: Table) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for result in table.results:
        if result.reason:
            reasons.setdefault(result.reason, []).append(result.row.name)
    notes = list(dict.fromkeys(result.row.note for result in table.results if result.row.note and result.scores))
    return [*table.about, *notes, *(f"No result for {', '.join(names)}: {why}" for why, names in reasons.items())]


def _rank_lines(table: Table) -> list[str]:
    """How the order of the rows agrees with the paper's."""
    found = []
    for metric in table.metrics:
        both = [r for r in table.results if metric in r.row.paper and not math.isnan(r.mean(metric))]
        rho = rank_correlation([r.row.paper[metric] for r in both], [r.mean(metric) for r in both])
        if not math.isnan(rho):
            found.append(f"{TITLES[metric]}: rank correlation with the paper {rho:+.2f} over {len(both)} rows.")
    return found


# ----- forms


def _grid(rows: Sequence[Mapping[str, str]]) -> str:
    """A table in Markdown."""
    head = list(rows[0])
    return markdown_table([head, *([row[key] for key in head] for row in rows)])


def _html(rows: Sequence[Mapping[str, str]]) -> str:
    def cell(text: str) -> str:
        marked = escape(text).replace("&lt;u&gt;", "<u>").replace("&lt;/u&gt;", "</u>")
        return f"<b>{marked.strip('*')}</b>" if marked.startswith("**") else marked

    def line(cells: Iterable[str], tag: str) -> str:
        first, *rest = cells
        others = "".join(f"<{tag}>{cell}</{tag}>" for cell in rest)
        return f'<tr><th scope="{"col" if tag == "th" else "row"}">{first}</th>{others}</tr>'

    body = "".join(line(map(cell, row.values()), "td") for row in rows)
    return (
        f'<div class="wide"><table><thead>{line(map(escape, rows[0]), "th")}</thead><tbody>{body}</tbody></table></div>'
    )


def _digits(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.4 system-ui, sans-serif; margin: 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #8886; text-align: right; white-space: nowrap; }
tr > :first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
.row { display: grid; gap: .5rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); margin-bottom: 1.5rem; }
figure { margin: 0; } svg { max-width: 60rem; } img { width: 100%; height: auto; display: block; }
figcaption { font-size: .8rem; }
"""

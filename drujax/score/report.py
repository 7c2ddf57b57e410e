"""What `drujax score` prints: rows of scores, their means and intervals, and differences of two sets."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from drujax.console import tables
from drujax.metrics.registry import METRICS
from drujax.metrics.summary import Comparison, Scores, compare

Row = Mapping[str, Any]


def render(rows: Sequence[Row], format: tables.Format) -> str:
    """`rows` ({"image": path, "brisque": 1.0, ...}, None for no score) in `format`.

    JSON has "mean", "interval" (95 %, see metrics/summary.py) and "count" of each metric over the pictures that have a
    score; the table has the first two as rows at its end, CSV none of them.
    """
    scores = by_column(rows)
    if format == "json":
        return tables.render(rows, format, **_summary(scores))
    return tables.render([*rows, *_last_rows(scores)] if format == "table" else rows, format)


def render_pairs(pairs: Sequence[tuple[Row, Row]], format: tables.Format) -> str:
    """Rows of pictures beside those that they are compared with, and what differs.

    A row has the other's path as "against", and its scores as "<metric>_against". JSON has, beside the summary of the
    first ones, "differences": of each metric the "mean" of first less second with its 95 % "interval", how many
    pictures are "better" (by the metric's direction), "worse" and "equal", and "sign_test", its two-sided p-value. The
    table has them as a table of their own.
    """
    rows = [
        {"image": row["image"], "against": other["image"]}
        | {key: row[key] for key in row if key != "image"}
        | {f"{key}_against": other[key] for key in other if key != "image"}
        for row, other in pairs
    ]
    if format == "csv":
        return tables.as_csv(rows)
    first, second = (by_column([{**pair[side], "image": str(i)} for i, pair in enumerate(pairs)]) for side in (0, 1))
    differences = {name: difference(name, compare(first[name], second[name])) for name in first}
    if format == "json":
        return tables.render(rows, format, **_summary(first), differences=differences)
    table = [
        {
            "metric": name,
            "mean difference": row["mean"],
            "95 % interval": _interval(row["interval"]),
            **{key: row[key] for key in ("better", "worse", "equal")},
            "sign test p": f"{row['sign_test']:.2g}",
        }
        for name, row in differences.items()
    ]
    return f"{tables.table(rows)}\n\n{tables.table(table, digits=3)}"


def by_column(rows: Sequence[Row]) -> dict[str, Scores]:
    """The scores of each metric."""
    columns = [name for name in (rows[0] if rows else {}) if name != "image"]
    return {name: Scores({row["image"]: row[name] for row in rows if row[name] is not None}) for name in columns}


def difference(column: str, compared: Comparison) -> dict[str, Any]:
    """A comparison with the words better and worse."""
    better, worse = compared.higher, compared.lower
    if METRICS["niqe" if column == "pi_niqe" else column].lower_is_better:
        better, worse = worse, better
    return {
        "mean": _number(compared.mean),
        "interval": [_number(end) for end in compared.interval],
        "better": better,
        "worse": worse,
        "equal": compared.equal,
        "sign_test": compared.sign_test,
    }


def _summary(scores: Mapping[str, Scores]) -> dict[str, Any]:
    return {
        "mean": {name: _number(column.mean()) for name, column in scores.items()},
        "interval": {name: [_number(end) for end in column.interval()] for name, column in scores.items()},
        "count": {name: len(column.by_picture) for name, column in scores.items()},
    }


def _last_rows(scores: Mapping[str, Scores]) -> list[dict[str, Any]]:
    if not scores:
        return []
    summary = _summary(scores)
    intervals = {name: _interval(ends) for name, ends in summary["interval"].items()}
    return [{"image": "mean", **summary["mean"]}, {"image": "95 % interval", **intervals}]


def _interval(ends: Sequence[float | None]) -> str:
    low, high = ends
    return "-" if low is None or high is None else f"{low:.2f}..{high:.2f}"


def _number(value: float) -> float | None:
    """As JSON has it: it lacks NaN."""
    return None if math.isnan(value) else float(value)

"""The output of `drujax score`: rows of scores, their means and intervals, and differences of two sets."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from drujax.console import tables
from drujax.metrics.registry import of_column
from drujax.metrics.summary import Comparison, Groups, Scores, compare

Row = Mapping[str, Any]


def render(rows: Sequence[Row], format: tables.Format, groups: Groups | None = None) -> str:
    """Renders `rows` ({"image": path, "brisque": 1.0, ...}, None for no score) in `format`.

    JSON has the "mean" of each metric over the pictures that have a score, its "interval" (95 %, over groups: see
    metrics/summary.py), the "count" of pictures and of "groups"; the table has the first two as rows at its end, and a
    line on what they assume. CSV has the pictures alone.

    Args:
        rows: one per picture.
        format: "table", "json" or "csv".
        groups: path -> group of the pictures that are variants of one scene; the others count as independent.
    """
    scores = by_column(rows)
    if format == "json":
        return tables.render(rows, format, **_summary(scores, groups))
    if format == "csv" or not rows:
        return tables.render(rows, format)
    return f"{tables.table([*rows, *_last_rows(scores, groups)])}\n\n{_assumption(rows, groups)}"


def render_pairs(pairs: Sequence[tuple[Row, Row]], format: tables.Format, groups: Groups | None = None) -> str:
    """Renders the scores of pictures next to those they are compared with, and the differences.

    A row has the other's path as "against", and its scores as "<metric>_against". JSON has, in addition to the summary
    of the first ones, "differences": of each metric the "mean" of first minus second with its 95 % "interval", how many
    pictures are "better" (by the metric's direction), "worse" and "equal", the number of "groups", and "sign_test", its
    two-sided p-value over groups. The table has them as a table of their own.

    Args:
        pairs: the rows of a picture and of the one it is compared with.
        format: "table", "json" or "csv".
        groups: as in `render`, of the first ones.
    """
    rows = [
        {"image": row["image"], "against": other["image"]}
        | {key: row[key] for key in row if key != "image"}
        | {f"{key}_against": other[key] for key in other if key != "image"}
        for row, other in pairs
    ]
    if format == "csv":
        return tables.as_csv(rows)
    first = by_column([row for row, _ in pairs])
    second = by_column([{**other, "image": row["image"]} for row, other in pairs])
    differences = {name: difference(name, compare(first[name], second[name], groups)) for name in first}
    if format == "json":
        return tables.render(rows, format, **_summary(first, groups), differences=differences)
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
    parts = [tables.table(rows), tables.table(table, digits=3), *([_assumption(rows, groups)] if rows else [])]
    return "\n\n".join(parts)


def by_column(rows: Sequence[Row]) -> dict[str, Scores]:
    """Gathers the scores of each metric."""
    columns = [name for name in (rows[0] if rows else {}) if name != "image"]
    return {name: Scores({row["image"]: row[name] for row in rows if row[name] is not None}) for name in columns}


def difference(column: str, compared: Comparison) -> dict[str, Any]:
    """Renames higher and lower to better and worse, by the metric's direction."""
    better, worse = compared.higher, compared.lower
    if of_column(column).lower_is_better:
        better, worse = worse, better
    return {
        "mean": _number(compared.mean),
        "interval": [_number(end) for end in compared.interval],
        "better": better,
        "worse": worse,
        "equal": compared.equal,
        "groups": compared.groups,
        "sign_test": compared.sign_test,
    }


def _summary(scores: Mapping[str, Scores], groups: Groups | None) -> dict[str, Any]:
    return {
        "mean": {name: _number(column.mean()) for name, column in scores.items()},
        "interval": {name: [_number(end) for end in column.interval(groups)] for name, column in scores.items()},
        "count": {name: len(column.by_image) for name, column in scores.items()},
        "groups": {name: column.count_groups(groups) for name, column in scores.items()},
    }


def _last_rows(scores: Mapping[str, Scores], groups: Groups | None) -> list[dict[str, Any]]:
    summary = _summary(scores, groups)
    intervals = {name: _interval(ends) for name, ends in summary["interval"].items()}
    return [{"image": "mean", **summary["mean"]}, {"image": "95 % interval", **intervals}]


def _assumption(rows: Sequence[Row], groups: Groups | None) -> str:
    """States what intervals and sign test take as independent."""
    if len(rows) == 1:
        return "One picture has no interval."
    if groups is None:
        return (
            f"The statistics take all {len(rows)} pictures as independent; name variants of a scene with --groups=CSV."
        )
    count = Scores({row["image"]: 0.0 for row in rows}).count_groups(groups)
    return f"The statistics take {count} groups as independent (of {len(rows)} pictures, by --groups)."


def _interval(ends: Sequence[float | None]) -> str:
    low, high = ends
    return "-" if low is None or high is None else f"{low:.2f}..{high:.2f}"


def _number(value: float) -> float | None:
    """Replaces NaN, which JSON does not have."""
    return None if math.isnan(value) else float(value)

"""Rows of values as a table for people, or as JSON or CSV for programs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Format = Literal["table", "json", "csv"]


def table(rows: Sequence[Mapping[str, Any]], *, digits: int = 2) -> str:
    """Aligned columns, numbers to the right; the keys of the first row are the heads, and a list is several columns.

    Args:
        rows: all with the same keys; None is shown as a dash.
        digits: of floating numbers behind the point.
    """
    flat = [_flat(row) for row in rows]
    cells = [list(flat[0]) if flat else []] + [[_shown(value, digits) for value in row.values()] for row in flat]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [any(isinstance(row[key], int | float) for row in flat) for key in flat[0]] if flat else []
    lines = []
    for row in cells:
        aligned = zip(row, widths, numbers, strict=True)
        lines.append("  ".join(cell.rjust(w) if number else cell.ljust(w) for cell, w, number in aligned).rstrip())
    return "\n".join(lines)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Comma-separated values with a line of heads; a list is several columns."""
    text = io.StringIO()
    flat = [_flat(row) for row in rows]
    if flat:
        writer = csv.DictWriter(text, flat[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    return text.getvalue().rstrip("\n")


def render(rows: Sequence[Mapping[str, Any]], format: Format, **rest: Any) -> str:
    """The `rows` in `format`; JSON is the one object {"images": rows, **rest}, numbers in full."""
    if format == "json":
        return json.dumps({"images": list(rows), **rest}, indent=2)
    return as_csv(rows) if format == "csv" else table(rows)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {}
    for key, value in row.items():
        if isinstance(value, list | tuple):
            flat |= {f"{key}_{place}": part for place, part in enumerate(value, start=1)}
        else:
            flat[key] = value
    return flat


def _shown(value: Any, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)

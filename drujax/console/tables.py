"""Rows of values as a table for people, or as JSON or CSV for programs.

Names of files are escaped in tables and CSV (`drujax.console.output.printable`), so that a row is a line; JSON keeps
them unchanged.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.cells import cell_len

from drujax.console.output import printable

Format = Literal["table", "json", "csv"]


def table(rows: Sequence[Mapping[str, Any]], *, digits: int = 2) -> str:
    """Formats aligned columns, numbers to the right. Keys of the first row are headings; a list spans several columns.

    Args:
        rows: all with the same keys; None is shown as a dash.
        digits: decimals of floating-point numbers.
    """
    flat = [_flat(row) for row in rows]
    cells = [list(flat[0]) if flat else []] + [[_shown(value, digits) for value in row.values()] for row in flat]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    numbers = [any(isinstance(row[key], int | float) for row in flat) for key in flat[0]] if flat else []
    lines = []
    for row in cells:
        aligned = zip(row, widths, numbers, strict=True)
        lines.append("  ".join(_padded(*cell) for cell in aligned).rstrip())
    return "\n".join(lines)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Formats comma-separated values below a line of headings; a list spans several columns."""
    text = io.StringIO()
    flat = [_flat(row) for row in rows]
    if flat:
        writer = csv.DictWriter(text, flat[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _escaped(value) for key, value in row.items()} for row in flat)
    return text.getvalue().rstrip("\n")


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Formats a table in Markdown from its lines of cells, the first of which is the heading."""
    head, *body = cells
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body])


def render(rows: Sequence[Mapping[str, Any]], format: Format, **rest: Any) -> str:
    """Formats `rows`; JSON is a single object {"images": rows, **rest}, with numbers in full precision.

    In JSON, NaN and infinity become null.
    """
    if format == "json":
        return json.dumps(_finite({"images": list(rows), **rest}), indent=2, allow_nan=False)
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
    return f"{value:.{digits}f}" if isinstance(value, float) else printable(str(value))


def _padded(cell: str, width: int, number: bool) -> str:  # noqa: FBT001
    """Pads to a width in terminal columns (two for a Japanese character)."""
    padding = " " * (width - cell_len(cell))
    return padding + cell if number else cell + padding


def _escaped(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The summary of a prepared dataset, for printing and for its description file."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from drujax.data.grouping import Copies
from drujax.data.labels import Measured
from drujax.data.qab import PARTITIONS
from drujax.data.records import SPLITS, Metadata


@dataclasses.dataclass(frozen=True)
class Summary:
    """Counts of a prepared dataset; `str` formats them as a table.

    Attributes:
        splits: split -> {"pictures", "groups", a partition, a label origin: how many}.
        sources: source -> {"pictures": its files, "unreadable", a partition: how many of the readable ones, a split:
            how many are in it}.
        shared: for each two sources with copies of each other's pictures: {"sources": their names, "equal": pairs of
            identical files, "nearly": further pairs of nearly identical pictures, "example": two ids}.
        left_out: reason -> pictures.
        enlarged: pictures enlarged to the crop.
        skipped: a line for each unreadable picture, beginning with the path.
        notes: a line for everything else that the user should know.
    """

    splits: dict[str, dict[str, int]]
    sources: dict[str, dict[str, int]]
    shared: list[dict[str, Any]]
    left_out: dict[str, int]
    enlarged: int
    skipped: list[str]
    notes: list[str]

    def __str__(self) -> str:
        lines = _table("split", self.splits, ("pictures", "groups", *PARTITIONS, "qab", "classifier", "manual"))
        lines += ["", *_table("source", self.sources, ("pictures", "unreadable", *PARTITIONS, *SPLITS)), ""]
        lines += [
            f"copies between {' and '.join(one['sources'])}: {one['equal']} pairs of equal files, {one['nearly']} of "
            f"nearly equal pictures, for example {' and '.join(one['example'])}"
            for one in self.shared
        ]
        lines += [f"left out: {count} {reason}" for reason, count in self.left_out.items()]
        lines += [f"enlarged to the crop: {self.enlarged}", f"skipped as unreadable: {len(self.skipped)}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def summarise(
    splits: Mapping[str, Sequence[Metadata]],
    files: Mapping[str, int],
    pictures: Sequence[Measured],
    copies: Copies,
    left_out: dict[str, int],
    skipped: list[str],
    notes: list[str],
) -> Summary:
    """Counts what went where.

    Args:
        splits: the records.
        files: source -> number of its picture files.
        pictures: the readable ones.
        copies: among them.
        left_out: see `Summary`, as `skipped` and `notes`.
    """
    empty = [split for split, rows in splits.items() if not rows]
    if empty:
        notes = [*notes, f"no pictures in {', '.join(empty)}"]
    return Summary(
        splits={split: _count_split(rows) for split, rows in splits.items()},
        sources=_count_sources(files, pictures, splits),
        shared=[
            {"sources": list(sources), "equal": one.equal, "nearly": one.nearly, "example": list(one.example or ())}
            for sources, one in copies.between.items()
        ],
        left_out=left_out,
        enlarged=sum(row.resized for rows in splits.values() for row in rows),
        skipped=skipped,
        notes=notes,
    )


def _count_split(rows: Sequence[Metadata]) -> dict[str, int]:
    partitions = collections.Counter(row.partition for row in rows)
    origins = collections.Counter(row.label_origin for row in rows)
    return {"pictures": len(rows), "groups": len({row.group for row in rows}), **(partitions + origins)}


def _count_sources(
    files: Mapping[str, int], pictures: Sequence[Measured], splits: Mapping[str, Sequence[Metadata]]
) -> dict[str, dict[str, int]]:
    counts = {source: collections.Counter(pictures=number, unreadable=number) for source, number in files.items()}
    for picture in pictures:
        counts[picture.candidate.source][picture.partition] += 1
        counts[picture.candidate.source]["unreadable"] -= 1
    for split, rows in splits.items():
        for row in rows:
            counts[row.source][split] += 1
    return {source: dict(+counted) for source, counted in counts.items()}


def _table(name: str, rows: Mapping[str, Mapping[str, int]], columns: Sequence[str]) -> list[str]:
    first = max(14, *map(len, rows))
    cells = {row: [str(counts.get(column, 0)) for column in columns] for row, counts in rows.items()}
    lines = {name: list(columns), **cells}
    widths = [max(10, len(column)) + 1 for column in columns]
    return [
        f"{row:<{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for row, line in lines.items()
    ]

"""The summary of a prepared dataset, for printing and for its description file."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

from drujax.data.records import Metadata


@dataclasses.dataclass(frozen=True)
class Summary:
    """Counts of a prepared dataset; `str` formats them as a table."""

    splits: dict[str, dict[str, int]]  # split -> {"pictures", "groups", a partition, a label origin: how many}
    left_out: dict[str, int]  # reason -> pictures
    enlarged: int  # to the crop
    skipped: list[str]  # a line for each unreadable picture, beginning with the path
    notes: list[str]

    def __str__(self) -> str:
        columns = ("pictures", "groups", "dark", "bright", "uncertain", "qab", "classifier", "manual")
        lines = ["".join([f"{'split':<14}", *(f"{column:>11}" for column in columns)])]
        for split, counts in self.splits.items():
            lines.append("".join([f"{split:<14}", *(f"{counts.get(column, 0):>11}" for column in columns)]))
        lines += [f"left out: {count} {reason}" for reason, count in self.left_out.items()]
        lines += [f"enlarged to the crop: {self.enlarged}", f"skipped as unreadable: {len(self.skipped)}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def summarise(
    splits: Mapping[str, Sequence[Metadata]], left_out: dict[str, int], skipped: list[str], notes: list[str]
) -> Summary:
    """Counts the pictures and groups of each split, by partition and by origin of the label."""
    counts = {}
    for split, rows in splits.items():
        counted = collections.Counter(row.partition for row in rows) + collections.Counter(
            row.label_origin for row in rows
        )
        counts[split] = {"pictures": len(rows), "groups": len({row.group for row in rows}), **counted}
    empty = [split for split, rows in splits.items() if not rows]
    if empty:
        notes = [*notes, f"no pictures in {', '.join(empty)}"]
    enlarged = sum(row.resized for rows in splits.values() for row in rows)
    return Summary(counts, left_out, enlarged, skipped, notes)

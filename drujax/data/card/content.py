"""What a card consists of, however it is written: sections of paragraphs, tables, histograms and contact sheets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; numbers are right-aligned, and rows that begin with "total" stand out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | int]]

    def is_number(self, column: int) -> bool:
        """Whether a column holds only numbers and shares."""
        cells = [row[column] for row in self.rows]
        return bool(cells) and all(isinstance(cell, int) or cell.endswith("%") for cell in cells)


@dataclass(frozen=True)
class Histogram:
    """Stacked counts in equal bins.

    Attributes:
        title: what is counted.
        edges: of the bins, ascending.
        series: name -> the count of each bin.
        marks: positions of vertical lines, with their names.
        note: one line below the title.
    """

    title: str
    edges: Sequence[float]
    series: Mapping[str, Sequence[int]]
    marks: Mapping[str, float]
    note: str = ""


class Thumbnail(NamedTuple):
    """A small picture (JPEG), the id of its record, and a caption."""

    jpeg: bytes
    id: str
    caption: str


@dataclass(frozen=True)
class Sheet:
    """A row of thumbnails."""

    title: str
    thumbnails: Sequence[Thumbnail]


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check in a word (look: a person should), and what was found."""

    word: Literal["good", "look", "bad"]
    text: str


Block = str | Table | Histogram | Sheet | Code | Verdict


@dataclass(frozen=True)
class Section:
    """A titled part of the card; a string among its blocks is a paragraph of plain text."""

    title: str
    blocks: Sequence[Block]

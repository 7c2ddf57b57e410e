"""The card as Markdown: histograms as text; the pictures are in the page beside it."""

import re
from collections.abc import Sequence

from drujax.data.card.content import Code, Histogram, Section, Sheet, Table, Verdict

TITLE = "Dataset card"
BARS = "▁▂▃▄▅▆▇█"


def markdown(sections: Sequence[Section]) -> str:
    """Returns the text of DATASET.md."""
    parts = [f"# {TITLE}", "The page `dataset.html` beside this file shows the same with histograms and pictures."]
    for section in sections:
        blocks = [text for block in section.blocks if (text := _block(block))]
        parts += [f"## {section.title}", *(blocks or ["See `dataset.html`."])]
    return "\n\n".join(parts) + "\n"


def _block(block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Histogram):
        return _histogram(block)
    if isinstance(block, Code):
        return f"```sh\n{block.text}\n```"
    if isinstance(block, Verdict):
        return f"- **{block.word}**: {_escaped(block.text)}."
    if isinstance(block, Sheet):
        return f"- {_escaped(block.title)}: {len(block.thumbnails)} shown in the page"
    return _escaped(block)


def _table(table: Table) -> str:
    lines = [
        _row(table.header),
        _row(["---:" if table.is_number(column) else "---" for column in range(len(table.header))]),
        *(_row(_cells(row)) for row in table.rows),
    ]
    return "\n".join(lines)


def _cells(row: Sequence[str | int]) -> list[str]:
    cells = [_escaped(str(cell)).replace("|", r"\|") for cell in row]
    return [f"**{cell}**" if cell and str(row[0]).startswith("total") else cell for cell in cells]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _histogram(histogram: Histogram) -> str:
    """A line of bars for each series that has counts, as high as the fullest bin of all."""
    highest = max((count for counts in histogram.series.values() for count in counts), default=0)
    width = max(map(len, histogram.series))
    lines = [
        f"{name:<{width}} {''.join(map(_bar(highest), counts))} {sum(counts)}"
        for name, counts in histogram.series.items()
        if any(counts)
    ]
    edges = f"{histogram.edges[0]:g} to {histogram.edges[-1]:g} in {len(histogram.edges) - 1} bins"
    highest_bin = f"highest bar {highest}"
    head = f"{_escaped(histogram.title)} ({'; '.join(filter(None, [_escaped(histogram.note), edges, highest_bin]))})"
    return "\n".join([head, "", "```text", *lines, "```"]) if lines else head


def _bar(highest: int):
    """Returns a function from a count to a character; a count above zero is always seen."""
    return lambda count: BARS[min(len(BARS) - 1, count * len(BARS) // highest)] if count else " "


def _escaped(text: str) -> str:
    """Keeps names of files from being read as formatting; underscores inside words are not."""
    return re.sub(r"[\\`*<>\[\]]|(?<!\w)_|_(?!\w)", lambda match: "\\" + match[0], text)

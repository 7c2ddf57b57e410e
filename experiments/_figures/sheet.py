"""A sheet of pictures for a paper: rows and columns of pictures with titles, the text as vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from experiments._figures.style import DPI, WIDTHS, Width, save, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = 0.14  # inches for a line of text
GAP = 0.03  # between pictures, in inches

Pixels = UInt8[np.ndarray, "_ _ 3"]


def draw_sheet(
    path: Path,
    pictures: Sequence[Sequence[Pixels]],
    width: Width,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> list[Path]:
    """Writes rows of pictures as an SVG or PDF and a PNG; returns the paths.

    Pictures are reduced to the resolution of the PNG, and never enlarged. The pictures of a row have one height, those
    of a column one width, so either all rows or all columns must have the same aspect ratios.

    Args:
        path: SVG or PDF.
        pictures: rows of equally many pictures.
        width: of the sheet.
        rows: titles at the left; none by default.
        columns: titles above; none by default.
    """
    from matplotlib.figure import Figure

    aspects = np.array([[picture.shape[1] / picture.shape[0] for picture in row] for row in pictures])
    left, top = (LABEL if titles else 0.0 for titles in (rows, columns))
    room = WIDTHS[width] - left - GAP * (len(aspects[0]) - 1)
    # Of one size along a row: widths are in proportion to the first row, and a row's height follows from its own.
    widths = aspects[0] / aspects[0].sum() * room
    heights = (widths / aspects).mean(axis=1)
    whole = top + heights.sum() + GAP * (len(heights) - 1)
    with style():
        figure = Figure(figsize=(WIDTHS[width], whole))
        y = whole - top
        for row, height in zip(pictures, heights.tolist(), strict=True):
            x, y = left, y - height
            for picture, wide in zip(row, widths.tolist(), strict=True):
                axis = figure.add_axes((x / WIDTHS[width], y / whole, wide / WIDTHS[width], height / whole))
                axis.imshow(_reduced(picture, round(wide * DPI)), aspect="auto", interpolation="none")
                axis.set_axis_off()
                x += wide + GAP
            y -= GAP
        _titles(figure, rows, columns, widths, heights)
        return save(figure, path)


def _titles(
    figure: "Figure", rows: Sequence[str], columns: Sequence[str], widths: np.ndarray, heights: np.ndarray
) -> None:
    """Writes titles in the middle of rows and columns."""
    wide, high = figure.get_size_inches()
    left, top = (LABEL if titles else 0.0 for titles in (rows, columns))
    starts = left + np.concatenate([[0], np.cumsum(widths + GAP)[:-1]])
    for title, start, width in zip(columns, starts, widths, strict=bool(columns)):
        place = ((start + width / 2) / wide, 1 - top / 2 / high)
        figure.text(*place, title, ha="center", va="center", size=_size(columns, widths.min()))
    tops = high - top - np.concatenate([[0], np.cumsum(heights + GAP)[:-1]])
    for title, start, height in zip(rows, tops, heights, strict=bool(rows)):
        place = (left / 2 / wide, (start - height / 2) / high)
        figure.text(*place, title, ha="center", va="center", rotation=90, size=_size(rows, heights.min()))


def _size(titles: Sequence[str], room: float) -> float:
    """The size in points, at most 7, at which all titles fit into `room` inches: letters are about 0.6 of it wide."""
    return min(7.0, room * 72 / (0.6 * max(map(len, titles))))


def _reduced(picture: Pixels, width: int) -> Pixels:
    h, w, _ = picture.shape
    if w <= width:
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, max(1, round(h * width / w))), Image.Resampling.LANCZOS))

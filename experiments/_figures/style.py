"""How plots look: sizes of a two-column paper, sober lines, colours that colour-blind readers can tell apart.

Needs matplotlib (extra `figures`). Plots are drawn without pyplot, so no window or global state is involved, and the
same data give the same bytes with one version of matplotlib.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from drujax.errors import UsageError
from drujax.runtime.atomic_write import check_folder, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Width = Literal["column", "page"]
WIDTHS: Mapping[Width, float] = {"column": 3.3, "page": 6.9}  # inches
DPI = 300  # of the PNG
SUFFIXES = (".svg", ".pdf")

# Okabe and Ito's palette, without its yellow, which is faint on white.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    *("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"),
)
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK)
GREY = "#999999"
# The classes of QAB, in all figures.
PARTITION_COLOURS = {"dark": BLUE, "uncertain": GREY, "bright": ORANGE}

_RC: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3,
    "svg.fonttype": "path",
    "svg.hashsalt": "drujax",  # ids of elements, otherwise random
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
}
# What would make the bytes differ from run to run.
_METADATA: Mapping[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}


def check_figure_path(argument: str, path: Path) -> None:
    """Raises UsageError, naming `argument`, for a file that `save` cannot write."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{argument}: must end in .svg or .pdf (a .png is written beside it), got {path}")
    check_folder(argument, path)


@contextmanager
def style() -> Iterator[None]:
    """Sets matplotlib's settings while a figure is drawn and saved."""
    import matplotlib
    from cycler import cycler

    with matplotlib.rc_context():
        matplotlib.rcParams.update(_RC)  # pyright: ignore[reportArgumentType, reportCallIssue]
        matplotlib.rcParams["axes.prop_cycle"] = cycler(linestyle=["-", "--", ":"]) * cycler(color=CYCLE)
        yield


def panels(count: int, width: Width, *, height: float = 1.9, columns: int | None = None) -> "tuple[Figure, list[Axes]]":
    """Makes a figure of `count` panels: on a page side by side, in a column one below the other.

    Args:
        count: of the panels, at least 1.
        width: of the figure.
        height: of a panel, in inches.
        columns: panels beside each other; by default three on a page, one in a column.
    """
    from matplotlib.figure import Figure

    columns = min(count, columns or {"column": 1, "page": 3}[width])
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTHS[width], rows * height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def lettered(axes: "Sequence[Axes]") -> None:
    """Writes (a), (b), ... before the panels' titles."""
    for letter, axis in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        axis.set_title(f"({letter}) {axis.get_title(loc='left')}".rstrip(), loc="left")


def save(figure: "Figure", path: Path) -> list[Path]:
    """Writes the figure as `path`, an SVG or PDF, and as a PNG beside it; returns both paths."""
    written = [path, path.with_suffix(".png")]
    for file in written:
        form, content = file.suffix[1:].lower(), io.BytesIO()
        figure.savefig(content, format=form, dpi=DPI, metadata=_METADATA[form])
        write_atomically(file, content.getvalue())
    return written

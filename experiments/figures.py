"""Figures: models compared on images, as a grid or a web page with sliders, and the figures of a paper.

    python -m experiments.figures compare night.png frames/ --models=sci-medium,zero-dce-pp,runs/mine --out=grid.png
    python -m experiments.figures compare night.png --models=Ours=runs/mine,SCI=sci-medium --crop=620,310,160,90 \\
        --out=grid.png --html=compare.html
    python -m experiments.figures scenes --out=grid.png   # synthetic scenes, the default model, and the ground truth
    python -m experiments.figures gap night.png --models=Ours=runs/mine --out=gap.svg    # models of photographs, ours
    python -m experiments.figures paper4 --workdir=runs/tables --out=paper4.svg          # Figure 4, from the tables
    python -m experiments.figures rp --data=D --workdir=runs/mine --out=rp.svg           # relativistic probabilities
    python -m experiments.figures curves runs/seed0 runs/seed1 --out=curves.svg          # training curves

The page is a single self-contained file. Takes two seconds per image and model on two cores. The last four write SVG or
PDF, and a PNG beside it (docs/figures.md); they need the extra `figures`.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro
from jaxtyping import UInt8

from drujax.console import command_line
from drujax.enhance.zoo import DEFAULT_MODEL, named_models
from drujax.errors import UsageError, unknown
from drujax.pictures.grid import Box, detail, draw, fitted, framed
from drujax.pictures.io import output_format, write_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import check_folder
from experiments._figures import curves, gap, paper4, rp
from experiments._figures.inputs import given_pictures
from experiments._figures.page import Shown, page

Pixels = UInt8[np.ndarray, "_ _ 3"]
WIDEST = 4096  # maximum width of an image in a grid, in pixels


@dataclasses.dataclass(frozen=True)
class Common:
    """Options of both grids."""

    # Models: names, weights files or run folders, separated by commas; LABEL=NAME sets the column title.
    models: Annotated[str, tyro.conf.arg(aliases=["--model"])] = DEFAULT_MODEL
    # Strength of the enhancement, as in drujax enhance: 0 none, 1 full, auto by each image's exposure.
    strength: command_line.Strength = "auto"
    # Show the networks' own outputs, as in drujax enhance --plain.
    plain: tyro.conf.FlagCreatePairsOff[bool] = False
    # Rounding of levels, as in drujax enhance.
    rounding: Literal["nearest", "floor"] = "nearest"
    # Maximum number of images; more are sampled at equal intervals.
    rows: int = 6
    # Width of an image in the grid, in pixels.
    width: int = 400


@dataclasses.dataclass(frozen=True)
class Compare(Common):
    """Any models on any images."""

    # Image files and folders (searched recursively).
    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...", help_behavior_hint="")
    ] = ()
    # Grid to write: one row per image, one column for the input and for each model.
    out: Path | None = None
    # Web page to write: zoomable sliders between the input and each model's output, at full size.
    html: Path | None = None
    # Detail to show enlarged, X,Y,W,H in pixels of the input: once for all images, or once per image (repeatable).
    crop: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenes(Common):
    """Dark synthetic scenes, the models' outputs, and the bright ground truth."""

    # Grid to write.
    out: Path
    # Seed of the scenes; must differ from the seed of a run that was trained on synthetic scenes.
    seed: int = 7


class Row(NamedTuple):
    """An image's name, the versions to show side by side, and the detail to enlarge."""

    name: str
    versions: list[Pixels]
    box: Box | None = None


def compare(config: Compare) -> tuple[list[Path], int]:
    """Writes the grid, the page, or both."""
    if not config.inputs:
        raise UsageError("INPUT: give at least one picture or folder")
    if config.out is None and config.html is None:
        raise UsageError("give --out=GRID.png, --html=PAGE.html, or both")
    if config.out is not None:
        output_format(config.out)
    if config.html is not None and config.html.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--html: must end in .html, got {config.html}")
    for argument, path in (("--out", config.out), ("--html", config.html)):
        check_folder(argument, path)
    chosen = named_models(config.models)
    pictures, unreadable = given_pictures(config.inputs, config.rows, config.crop)
    enhancers = _enhancers(config, list(chosen.values()))
    rows = [Row(name, [given, *_enhanced(given, enhancers, config)], box) for name, given, box in pictures]
    labels = ["input", *chosen]
    written = []
    if config.out is not None:
        write_picture(config.out, Picture(grid(labels, rows, config.width)))
        written.append(config.out)
    if config.html is not None:
        from drujax.runtime.atomic_write import write_atomically

        write_atomically(config.html, page(labels, [Shown(*row) for row in rows]).encode())
        written.append(config.html)
    return written, unreadable


def scenes(config: Scenes) -> tuple[list[Path], int]:
    """Writes the grid."""
    from drujax.data.scenes import pair

    output_format(config.out)
    check_folder("--out", config.out)
    chosen = named_models(config.models)
    enhancers = _enhancers(config, list(chosen.values()))
    size = (round(config.width * 9 / 16), config.width)
    rows = []
    for index in range(config.rows):
        dark, truth = pair(config.seed, index, size)
        rows.append([dark, *_enhanced(dark, enhancers, config), truth])
    write_picture(config.out, Picture(draw(["input", *chosen, "ground truth"], rows)))
    return [config.out], 0


def grid(labels: list[str], rows: Sequence[Row], width: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Draws the grid, with a second row for each image that has a detail."""
    drawn, names = [], []
    for row in rows:
        whole = [fitted(version, width) for version in row.versions]
        if row.box is not None:
            scale = width / row.versions[0].shape[1]
            whole = [framed(version, row.box, scale) for version in whole]
        drawn.append(whole)
        names.append(row.name)
        if row.box is not None:
            drawn.append([detail(version, row.box, width) for version in row.versions])
            names.append("detail")
    return draw(labels, drawn, names)


def _enhancers(config: Common, models: Sequence[str]) -> list[Callable[..., Any]]:
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.strength import check_strength
    from drujax.runtime.compile_cache import enable_compilation_cache

    check_strength(config.strength)
    enable_compilation_cache()
    return [
        Enhancer(model, guided=False if config.plain else None, rounding=config.rounding, runtime="jax")
        for model in models
    ]


def _enhanced(given: Pixels, enhancers: Sequence[Callable[..., Any]], config: Common) -> list[Pixels]:
    """Returns each model's output, padded with black if the model crops the image."""
    pictures = (enhance(given, config.strength) for enhance in enhancers)
    return [np.pad(p, [(0, all_ - kept) for all_, kept in zip(given.shape, p.shape, strict=True)]) for p in pictures]


FIGURES: dict[str, tuple[type, Callable[[Any], tuple[list[Path], int]]]] = {
    "compare": (Compare, compare),
    "scenes": (Scenes, scenes),
    "gap": (gap.Gap, gap.gap),
    "paper4": (paper4.Paper4, paper4.paper4),
    "rp": (rp.RP, rp.rp),
    "curves": (curves.Curves, curves.curves),
}


def main(arguments: Sequence[str]) -> int:
    """Draws the figure named by the first argument."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    kind, figure = FIGURES[name]
    config = command_line.parse(kind, rest, program=f"experiments.figures {name}")
    if isinstance(config, Common):
        for option, value in (("--rows", config.rows), ("--width", config.width)):
            if value < 1:
                raise UsageError(f"{option}: must be >= 1, got {value}")
        if config.width > WIDEST:
            raise UsageError(f"--width: must be <= {WIDEST}, got {config.width}")
    written, unreadable = figure(config)
    for path in written:
        print(path)
    return 1 if unreadable else 0


if __name__ == "__main__":
    sys.exit(command_line.run(lambda: main(sys.argv[1:]), "experiments.figures"))

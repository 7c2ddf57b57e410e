"""Compares models on images, as a labelled grid and as a web page with before/after sliders.

    python -m experiments.figures compare night.png frames/ --models=sci-medium,zero-dce-pp,runs/mine --out=grid.png
    python -m experiments.figures compare night.png --models=Ours=runs/mine,SCI=sci-medium --crop=620,310,160,90 \\
        --out=grid.png --html=compare.html
    python -m experiments.figures scenes --out=grid.png   # synthetic scenes, the default model, and the ground truth

The page is a single self-contained file. Takes two seconds per image and model on two cores.
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
from drujax.pictures.color import to_float, to_uint8
from drujax.pictures.discovery import pictures_of
from drujax.pictures.grid import Box, detail, draw, fitted, framed
from drujax.pictures.io import output_format, read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.runtime.atomic_write import check_folder
from experiments._figures.page import Shown, page

Pixels = UInt8[np.ndarray, "_ _ 3"]
WIDEST = 4096  # maximum width of an image in a grid, in pixels


@dataclasses.dataclass(frozen=True)
class Common:
    """Options of both figures."""

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
    pictures, unreadable = _given(config)
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


def parsed_box(text: str) -> Box:
    """Parses X,Y,W,H. Raises UsageError if it is invalid."""
    try:
        x, y, w, h = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--crop: must be X,Y,W,H in whole pixels, got {text!r}") from None
    if min(x, y) < 0 or min(w, h) < 1:
        raise UsageError(f"--crop: X and Y must be >= 0, W and H >= 1, got {text}")
    return Box(x, y, w, h)


def _given(config: Compare) -> tuple[list[tuple[str, Pixels, Box | None]], int]:
    """Reads the input images; returns (name, image, detail) of each, and the number of files that were skipped.

    Unreadable files in folders are reported and skipped.
    """
    from drujax.score.evaluation import spread

    paths = [(path, given) for given in config.inputs for path in pictures_of(given)]
    chosen = [paths[position] for position in spread(len(paths), config.rows)]
    if len(chosen) < len(paths):
        print(f"showing {len(chosen)} of {len(paths)} pictures (--rows)", file=sys.stderr)
    boxes: list[Box | None] = [parsed_box(text) for text in config.crop] or [None]
    if len(boxes) not in (1, len(chosen)):
        raise UsageError(f"--crop: must be given once, or once per picture ({len(chosen)}), got {len(boxes)}")
    boxes = boxes * len(chosen) if len(boxes) == 1 else boxes
    pictures, unreadable = [], 0
    for (path, given), box in zip(chosen, boxes, strict=True):
        try:
            rgb = read_picture(path).rgb
        except UsageError as error:
            if path == given:
                raise
            print(f"{error}; skipped", file=sys.stderr)
            unreadable += 1
            continue
        h, w, _ = rgb.shape
        if box is not None and (box.x + box.w > w or box.y + box.h > h):
            raise UsageError(f"--crop: {box.x},{box.y},{box.w},{box.h} exceeds {path}, which is {w}x{h}")
        name = path.name if path == given else str(path.relative_to(given))
        pictures.append((name, rgb if rgb.dtype == np.uint8 else to_uint8(to_float(rgb)), box))
    if not pictures:
        raise UsageError("INPUT: no readable pictures found")
    return pictures, unreadable


def _enhancers(config: Common, models: Sequence[str]) -> list[Callable[..., Any]]:
    from drujax.enhance.enhancer import Enhancer, check_strength
    from drujax.runtime.compile_cache import enable_compilation_cache

    check_strength(config.strength)
    enable_compilation_cache()
    return [Enhancer(model, guided=False if config.plain else None, rounding=config.rounding) for model in models]


def _enhanced(given: Pixels, enhancers: Sequence[Callable[..., Any]], config: Common) -> list[Pixels]:
    """Returns each model's output, padded with black if the model crops the image."""
    pictures = (enhance(given, config.strength) for enhance in enhancers)
    return [np.pad(p, [(0, all_ - kept) for all_, kept in zip(given.shape, p.shape, strict=True)]) for p in pictures]


FIGURES: dict[str, tuple[type[Common], Callable[[Any], tuple[list[Path], int]]]] = {
    "compare": (Compare, compare),
    "scenes": (Scenes, scenes),
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

"""Figure 1 of the paper: what models that were trained on photographs make of anime scenery, beside ours."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from drujax.enhance.zoo import DEFAULT_MODEL, named_models
from drujax.errors import UsageError, check_at_least
from experiments._figures.inputs import given_pictures
from experiments._figures.sheet import draw_sheet
from experiments._figures.style import Width, check_figure_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gap:
    """The domain gap: a row for each image, a column for each model's own output."""

    # Image files and folders (searched recursively).
    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...", help_behavior_hint="")
    ] = ()
    # Our models: names, weights files or run folders, separated by commas; LABEL=NAME sets the column title.
    models: str = DEFAULT_MODEL
    # Models that were trained on photographs, written alike; by default the released ones that are on this machine.
    natural: str = ""
    # Figure to write, .svg or .pdf; a .png is written beside it.
    out: Path
    # Maximum number of images; more are sampled at equal intervals.
    rows: int = 4
    # Width: a column (3.3 inches) or a page (6.9 inches).
    width: Width = "page"


def gap(config: Gap) -> tuple[list[Path], int]:
    """Draws the figure; the networks are applied alone, as `drujax enhance --plain --strength=1` does.

    Raises:
        UsageError: no image, no model of photographs, or a model that is in both lists.
    """
    from drujax.runtime.compile_cache import enable_compilation_cache
    from experiments._evaluate.light import PLAIN, enhancer, released_here

    if not config.inputs:
        raise UsageError("INPUT: give at least one picture or folder")
    check_figure_path("--out", config.out)
    check_at_least(1, **{"--rows": config.rows})
    natural = config.natural or ",".join(released_here())
    if not natural:
        raise UsageError("--natural: no released model is on this machine; name one (drujax models), or a weights file")
    chosen, ours = named_models(natural), named_models(config.models)
    if both := chosen.keys() & ours.keys():
        raise UsageError(f"--natural: {min(both)} is among --models, too; write LABEL=NAME to distinguish them")
    pictures, unreadable = given_pictures(config.inputs, config.rows)
    enable_compilation_cache()
    columns = {"input": [rgb for _, rgb, _ in pictures]}
    for label, name in {**chosen, **ours}.items():
        enhance = enhancer(name + PLAIN)
        columns[label] = [_uncut(enhance(rgb[None])[0], rgb) for rgb in columns["input"]]
    rows = list(zip(*columns.values(), strict=True))
    return draw_sheet(config.out, rows, config.width, columns=list(columns)), unreadable


def _uncut(enhanced: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Pads the output of a model that crops with black."""
    return np.pad(enhanced, [(0, all_ - kept) for all_, kept in zip(given.shape, enhanced.shape, strict=True)])

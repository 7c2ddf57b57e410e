"""Extracts frames of films as pictures, the sources of a dataset.

    python -m experiments.prepare films --films=FILMS --frame-list=frameList.json --out=frames   # published frames
    python -m experiments.prepare films --films=FILMS --crops=whole --out=frames                 # a sample of each shot
    python -m experiments.prepare --source=frames --groups=frames/groups.csv --out=data

docs/films.md describes what is chosen. Repeating the command continues a stopped run.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drujax.console import command_line
from drujax.console.output import complain, show
from drujax.data.films.crops import Crops
from drujax.errors import UsageError

if TYPE_CHECKING:
    from drujax.data.films import Extraction


@dataclasses.dataclass(frozen=True)
class Films:
    """Extracts frames of films as PNGs, and writes groups.csv for prepare --groups."""

    # Folder of films, searched recursively; or one film.
    films: Path
    # Folder to write: FILM/NUMBER_CROP.png, groups.csv, films.json.
    out: Path
    # JSON object: title -> frame numbers, from 0 in the order in which frames are shown, as Scenimefy publishes. A
    # film's title is its file name without suffix. Without a list, frames of each shot are chosen.
    frame_list: Path | None = None
    # squares: three of the frame's height, left, centre and right. whole: the frame.
    crops: Crops = "squares"


@command_line.flags_in_errors(Films)
def main(arguments: Sequence[str]) -> int:
    """Extracts the frames; returns 1 if films or frames were skipped as unreadable."""
    config = command_line.parse(Films, arguments, program="prepare films")
    if config.frame_list is not None and not config.frame_list.is_file():
        raise UsageError(f"frame_list: file not found: {config.frame_list}")
    from drujax.data.films.extract import extract_films

    extraction = extract_films(config.films, config.out, frame_list=config.frame_list, crops=config.crops)
    return 0 if report(extraction) else 1


def report(extraction: "Extraction") -> bool:
    """Prints what was extracted; returns whether all could be read."""
    for line in extraction.skipped:
        complain(f"prepare: skipped: {line}")
    show(str(extraction))
    return not extraction.skipped

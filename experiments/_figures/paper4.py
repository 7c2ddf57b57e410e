"""Figure 4 of the paper from the folder of its tables: a row for each method, a column for each test picture."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from drujax.errors import UsageError
from experiments._figures.sheet import draw_sheet
from experiments._figures.style import Width, check_figure_path
from experiments._tables.jobs import DONE
from experiments._tables.scoring import SHOWN, shown_pictures
from experiments._tables.studies import VANILLA

# As in the paper, from top to bottom.
ROWS = ("Input", "SCI", "Zero-DCE++", "CLIP-LIT", "RUAS", VANILLA, "DRU-EnlightenGAN-ResNet18")
COLUMNS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paper4:
    """Figure 4: test pictures as each row of a table enhances them."""

    # Folder of experiments.tables, in which the rows are scored.
    workdir: Path
    # Figure to write, .svg or .pdf; a .png is written beside it.
    out: Path
    # Rows of the table; the paper's by default.
    rows: tuple[str, ...] = ROWS
    # Seed of the trainings.
    seed: int = 0
    # Which of the first six test pictures are shown, in this order.
    pictures: tuple[int, ...] = tuple(range(1, COLUMNS + 1))
    # Width: a column (3.3 inches) or a page (6.9 inches).
    width: Width = "page"


def paper4(config: Paper4) -> tuple[list[Path], int]:
    """Draws the rows that are scored; those that are not are reported, and then the exit code is 1.

    Raises:
        UsageError: no row is scored, one is scored twice with different options, or a picture is not there.
    """
    check_figure_path("--out", config.out)
    for number in config.pictures:
        if not 1 <= number <= SHOWN:
            raise UsageError(f"--pictures: must be in 1..{SHOWN}, got {number}")
    found = _scored(config.workdir)
    shown: dict[str, list[UInt8[np.ndarray, "_ _ 3"]]] = {}
    for row in config.rows:
        folders = found.get(f"{row}, seed {config.seed}: score") or found.get(f"{row}: score") or []
        if len(folders) > 1:
            raise UsageError(
                f"--rows: {row} was scored with different options in one folder of tables: "
                + ", ".join(folder.name for folder in folders)
            )
        if not folders:
            print(f"no {row}: it is not scored in {config.workdir} (seed {config.seed})", file=sys.stderr)
            continue
        shown[row] = _chosen(folders[0], config.pictures)
    if not shown:
        raise UsageError(f"--workdir: none of {', '.join(config.rows)} is scored in {config.workdir}")
    sizes = {row: [picture.shape for picture in pictures] for row, pictures in shown.items()}
    first, *others = sizes
    for row in others:
        if sizes[row] != sizes[first]:
            raise UsageError(f"--rows: {row} and {first} were scored on different pictures")
    written = draw_sheet(config.out, list(shown.values()), config.width, rows=list(shown))
    return written, int(len(shown) < len(config.rows))


def _scored(workdir: Path) -> dict[str, list[Path]]:
    """The folders of finished jobs that scored a row, by name."""
    found: dict[str, list[Path]] = {}
    for file in sorted(workdir.glob(f"jobs/score-*/{DONE}")):
        found.setdefault(json.loads(file.read_text())["name"], []).append(file.parent)
    return found


def _chosen(folder: Path, numbers: tuple[int, ...]) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    kept = shown_pictures(folder)
    if max(numbers) > len(kept):
        raise UsageError(f"--pictures: {max(numbers)} of {len(kept)} pictures that {folder} holds")
    return [kept[number - 1] for number in numbers]

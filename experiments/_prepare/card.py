"""The card of a dataset, which `experiments.prepare` writes after a build and `experiments.prepare card` again."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from drujax.console import command_line
from drujax.data.card.licences import parsed_notes
from drujax.data.card.write import PAGE, sources_of, write_card
from drujax.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Config:
    """Writes DATASET.md and dataset.html into the folder of a dataset."""

    # Dataset of experiments.prepare.
    data: Path
    # Folder of a training run on it, whose relativistic probabilities are shown.
    run: Path | None = None
    # SOURCE:TEXT, the licence of a source's pictures (repeatable). Else that of an earlier card, or "not stated".
    licence: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Also searches for nearly equal pictures of different groups, which decodes all pictures (about 100 a second).
    near_copies: tyro.conf.FlagCreatePairsOff[bool] = False


@command_line.flags_in_errors(Config)
def main(arguments: Sequence[str]) -> int:
    """Writes the card; prints the paths of its files."""
    config = command_line.parse(Config, arguments, program="prepare card")
    notes = parsed_notes(config.licence, sources=sources_of(Dataset.open(config.data)))
    for path in write_card(config.data, licences=notes, run=config.run, near_copies=config.near_copies):
        print(path)
    return 0


def write_after_build(
    out: Path, arguments: Sequence[str], folders: Mapping[str, Path], licences: Mapping[str, str]
) -> None:
    """Writes the card of a dataset that has none: a new one, or one whose build was interrupted before.

    Args:
        out: folder of the dataset.
        arguments: of the command that built it.
        folders: of its sources.
        licences: source -> note.
    """
    if not (out / PAGE).exists():
        command = ["python", "-m", "experiments.prepare", *arguments]
        write_card(out, command=command, folders=folders, licences=licences)

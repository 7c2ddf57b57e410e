"""Writes the card of a dataset into its folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from drujax.data.card.audit import audit
from drujax.data.card.build_record import BUILD, BuildRecord, read_build, write_build
from drujax.data.card.licences import licence_notes
from drujax.data.card.markdown import markdown
from drujax.data.card.page import page
from drujax.data.card.run_results import read_run
from drujax.data.card.sections import Facts, sections
from drujax.data.dataset import Dataset
from drujax.data.description import read_description
from drujax.data.records import SPLITS
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.version import __version__

MARKDOWN, PAGE = "DATASET.md", "dataset.html"
FILES = (MARKDOWN, PAGE, BUILD)  # beside the records, which they do not change

PAINTED = "painted by drujax; no pictures of others"


def write_card(
    data: Path,
    *,
    command: Sequence[str] = (),
    folders: Mapping[str, Path] | None = None,
    licences: Mapping[str, str] | None = None,
    run: Path | None = None,
    near_copies: bool = False,
    quiet: bool = False,
) -> list[Path]:
    """Writes DATASET.md and dataset.html, which hold all pictures that they show; returns their paths.

    The bytes depend on the dataset and the arguments only. Command and licences are remembered in build.json.

    Args:
        data: folder of the dataset.
        command: that has built it; by default the one that is remembered.
        folders: of its sources, searched for licences.
        licences: source -> note, before what is found there.
        run: folder of a training run on it, whose relativistic probabilities are shown.
        near_copies: also searches for nearly equal pictures of different groups, which decodes all pictures.
        quiet: shows no progress.

    Raises:
        UsageError: there is no such dataset, it is damaged, or the run is of another dataset.
    """
    dataset = Dataset.open(data)
    results = None if run is None else read_run(run, dataset)
    description = read_description(data)
    known = read_build(data)
    painted = {"scenes": PAINTED} if isinstance(description["settings"]["source"], dict) else {}
    notes = licence_notes(sources_of(dataset), folders or {}, licences or {}, {**painted, **known.licences})
    build = BuildRecord([*command], __version__, notes) if command else BuildRecord(known.command, known.version, notes)
    checks = audit(dataset, near_copies=near_copies, quiet=quiet)
    content = sections(Facts(dataset, description, build, checks, results))
    write_build(data, build)
    write_atomically(data / MARKDOWN, markdown(content).encode())
    write_atomically(data / PAGE, page(content).encode())
    return [data / MARKDOWN, data / PAGE]


def sources_of(dataset: Dataset) -> list[str]:
    """Returns the names of the sources whose pictures the dataset holds, sorted."""
    return sorted({row.source for split in SPLITS for row in dataset.table(split)})

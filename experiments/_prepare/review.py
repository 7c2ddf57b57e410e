"""Writes a page on which a person corrects labels, as sec. 3.1 of the paper does for uncertain pictures.

    python -m experiments.prepare review --data=data/ --out=review.html
    python -m experiments.prepare review --source=frames/ --out=review.html  # pictures that are not in a dataset

The page is a self-contained file that works without a server. It saves corrections.csv, for --corrections of
`experiments.prepare`. About 100 pictures of 640x360 a second on two cores.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from drujax.console import command_line
from drujax.console.progress import Progress
from drujax.data.corrections import Correction, read_corrections
from drujax.data.dataset import Dataset
from drujax.data.description import read_description
from drujax.data.labels import LABELS
from drujax.data.qab import HIGH, LOW, classify, quartile_means
from drujax.data.records import SPLITS, Metadata
from drujax.data.sources import Candidate, from_folders
from drujax.errors import UsageError, describe
from drujax.pictures.discovery import Skipped
from drujax.runtime.atomic_write import check_folder, write_atomically
from experiments._prepare.review_page import Entry, page, page_names, thumbnail


@dataclasses.dataclass(frozen=True)
class Config:
    """Writes a page on which a person corrects labels: the uncertain pictures, least certain first."""

    # Page to write (.html).
    out: Path
    # Dataset whose pictures are shown. Pictures that it left out are shown with --source only.
    data: Path | None = None
    # Folder of pictures to show, instead of a dataset; in the same order as for prepare. Repeatable.
    source: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    # Also show the confidently dark and bright pictures, last.
    all: tyro.conf.FlagCreatePairsOff[bool] = False
    # CSV (file,label) of earlier corrections, which override those of the dataset. Repeatable.
    corrections: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    # Maximum number of pictures on a page, about 9 kB each; more are put on several pages.
    per_page: int = 2000
    # Dark: the mean luma (0..255) of any quarter of the picture is below this. For --source.
    low: float = LOW
    # Bright: the mean luma of every quarter is above this. For --source.
    high: float = HIGH


@dataclasses.dataclass(frozen=True)
class Found:
    """The pictures to choose from, what reads each (None if it is not to be shown), and the corrections so far."""

    candidates: Sequence[Candidate]
    readers: Sequence[Callable[[], Entry | None]]
    corrections: Mapping[str, Correction]
    skipped: Sequence[str] = ()


@command_line.flags_in_errors(Config)
def main(arguments: list[str]) -> int:
    """Writes the pages; returns 1 if pictures were skipped as unreadable."""
    config = command_line.parse(Config, arguments, program="prepare review")
    _check(config)
    found = _in_folders(config) if config.data is None else _in_dataset(config.data, everything=config.all)
    named, unmatched = read_corrections(config.corrections, found.candidates)
    corrections: dict[str, Correction] = {**found.corrections, **named}
    for rows in unmatched.values():  # kept, since they may be about pictures that the dataset left out
        corrections |= rows
    entries, failures = _read(found.readers)
    for line in [*found.skipped, *failures]:
        print(f"prepare review: skipped: {line}", file=sys.stderr)
    if not entries:
        raise UsageError(_nothing(config, len(found.readers), len(failures)))
    _write(config, sorted(entries, key=_certainty), corrections)
    return 1 if failures or found.skipped else 0


def _check(config: Config) -> None:
    if (config.data is None) == (not config.source):
        raise UsageError("give either --data=DATASET or --source=FOLDER")
    if config.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out: must end in .html, got {config.out}")
    check_folder("--out", config.out)
    if config.per_page < 1:
        raise UsageError(f"--per-page: must be >= 1, got {config.per_page}")
    for table in config.corrections:
        if not table.is_file():
            raise UsageError(f"--corrections: file not found: {table}")


def _in_dataset(path: Path, *, everything: bool) -> Found:
    dataset = Dataset.open(path)
    corrections = read_description(path)["corrections"]
    candidates, readers = [], []
    for split in map(dataset.split, SPLITS):
        for position, row in enumerate(split.table):
            candidates.append(Candidate(row.id, row.source, Path(row.id)))
            if everything or row.partition == "uncertain":
                readers.append(partial(_entry, row, partial(split.image, position), corrected=row.id in corrections))
    left_out = corrections.keys() - {candidate.id for candidate in candidates}  # a table may name them
    candidates += [Candidate(name, name.partition("/")[0], Path(name)) for name in sorted(left_out)]
    return Found(candidates, readers, corrections)


def _entry(row: Metadata, image: Callable[[], np.ndarray], *, corrected: bool) -> Entry:
    """Describes a record as it was labelled before its correction."""
    label, origin, probability = row.label, row.label_origin, row.classifier_probability
    if probability is not None and probability < 0.5:  # a correction overruled the classifier
        label, probability = LABELS[1 - LABELS.index(label)], 1 - probability
    if corrected and probability is not None:
        origin = "classifier"
    elif corrected:
        label, origin = (None, None) if row.partition == "uncertain" else (row.partition, "qab")
    return Entry(row.id, row.partition, row.quartile_means, thumbnail(image()), label, origin, probability)


def _in_folders(config: Config) -> Found:
    classify(np.zeros(4), config.low, config.high)  # rejects invalid bounds before the long work
    ignored = Skipped()
    candidates = from_folders(config.source, ignored)
    readers = [partial(_measured, candidate, config) for candidate in candidates]
    return Found(candidates, readers, {}, [describe(error) for error in ignored.failures.values()])


def _measured(candidate: Candidate, config: Config) -> Entry | None:
    rgb = candidate.rgb()
    means = quartile_means(rgb)
    partition = classify(means, config.low, config.high)
    if partition == "uncertain":
        return Entry(candidate.id, partition, tuple(means.tolist()), thumbnail(rgb))
    if not config.all:
        return None
    return Entry(candidate.id, partition, tuple(means.tolist()), thumbnail(rgb), partition, "qab")


def _read(readers: Sequence[Callable[[], Entry | None]]) -> tuple[list[Entry], list[str]]:
    """Reads the pictures to show; also returns a line for each unreadable one."""

    def attempt(reader: Callable[[], Entry | None]) -> Entry | str | None:
        try:
            return reader()
        except (UsageError, OSError) as error:
            return describe(error)

    results: list[Entry | str | None] = []
    with Progress("reading", total=len(readers), unit="picture") as progress, ThreadPoolExecutor() as pool:
        for result in pool.map(attempt, readers):
            results.append(result)
            progress.to(len(results))
    return [r for r in results if isinstance(r, Entry)], [r for r in results if isinstance(r, str)]


def _certainty(entry: Entry) -> tuple[bool, bool, float]:
    """Sorts the least certain first: by the classifier's probability, else by the darkest quarter's luma.

    Uncertain pictures come before confident ones, and among them those that the classifier labelled.
    """
    return entry.partition != "uncertain", entry.probability is None, _margin(entry)


def _margin(entry: Entry) -> float:
    if entry.probability is not None:
        return entry.probability
    darkest = min(entry.quartile_means)
    return -darkest if entry.partition == "dark" else darkest


def _nothing(config: Config, count: int, failed: int) -> str:
    if failed:
        return f"none of the {count} pictures can be read"
    shown = config.data if config.data is not None else ", ".join(map(str, config.source))
    hint = "" if config.data is None else " (prepare --labels=qab leaves them out; show its folders with --source)"
    return f"{shown}: no uncertain pictures{hint}; --all also shows the confident ones"


def _write(config: Config, entries: Sequence[Entry], corrections: Mapping[str, Correction]) -> None:
    names = page_names(config.out, -(-len(entries) // config.per_page))
    carried = dict(corrections)
    for entry in entries:
        carried.pop(entry.file, None)
    for number, path in enumerate(names):
        part = entries[number * config.per_page : (number + 1) * config.per_page]
        text = page(part, corrections, names, number, carried if number == 0 else {})
        write_atomically(path, text.encode())
        print(f"{path}: {len(part)} pictures")

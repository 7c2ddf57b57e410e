"""Datasets of small pictures: building, reading and correcting them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.records import SPLITS
from drujax.data.sources import Scenes
from drujax.data.summary import Summary


def build(source: Sequence[Path] | Scenes, out: Path, **options: Any) -> Summary:
    """Prepares a dataset of crops of 16 pixels, without showing progress."""
    return prepare(source, out, **{"crop": 16, "quiet": True} | options)


def records(out: Path) -> dict[str, tuple[str, Any]]:
    """id -> (split, metadata)."""
    dataset = Dataset.open(out)
    return {metadata.id: (split, metadata) for split in SPLITS for metadata in dataset.table(split)}


def label_table(path: Path, labels: Mapping[str, str]) -> Path:
    """Writes a table (file,label); returns its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *labels.items()])
    return path

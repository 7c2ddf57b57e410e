"""The records of a dataset: an image with its metadata, and the table of the metadata."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.data.qab import Partition
from drujax.errors import UsageError

Label = Literal["dark", "bright"]
LabelOrigin = Literal["qab", "classifier", "manual"]
SPLITS = ("train_dark", "train_bright", "test_dark", "val_dark")
TABLE = "records.csv"  # in the folder of the ArrayRecord files


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The metadata of an image, known without decoding it."""

    id: str  # unique: source/path of the file in it
    group: str  # images of one scene share it; no group is on both sides of a split
    source: str  # the folder or film it came from
    quartile_means: tuple[float, float, float, float]  # luma 0..255 of the original, in the order of qab
    partition: Partition
    label: Label
    label_origin: LabelOrigin
    classifier_probability: float | None  # of the label, by F_dark/bright (below 0.5 if overruled); None if not used
    height: int  # of the stored image
    width: int
    resized: bool  # enlarged, because a side was shorter than the crop


@dataclasses.dataclass(frozen=True)
class Record(Metadata):
    """An image with its metadata."""

    image: UInt8[np.ndarray, "h w 3"]


def decode(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """Decodes an image that the builder stored: 8-bit RGB, upright."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def write_table(path: Path, splits: Mapping[str, Iterable[Metadata]]) -> None:
    """Writes one line for each record, in the records' order (the order of the RP table)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [field.name for field in dataclasses.fields(Metadata)]
        writer.writerow(["split", *names])
        for split, rows in splits.items():
            for row in rows:
                writer.writerow([split, *(_as_text(getattr(row, name)) for name in names)])


def read_table(path: Path) -> dict[str, list[Metadata]]:
    """Reads what `write_table` wrote; empty splits are included.

    Raises:
        UsageError: the table is not one that `write_table` wrote.
    """
    splits: dict[str, list[Metadata]] = {split: [] for split in SPLITS}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                splits[row.pop("split")].append(_from_text(row))
            except (KeyError, ValueError) as error:
                raise UsageError(f"{path}: damaged table of records ({error!r}); prepare the dataset again.") from None
    return splits


def _as_text(value) -> str:
    if isinstance(value, tuple):
        return " ".join(repr(item) for item in value)
    return "" if value is None else str(value)


def _from_text(row: dict[str, str]) -> Metadata:
    probability = row["classifier_probability"]
    parsed = {
        "quartile_means": tuple(float(mean) for mean in row["quartile_means"].split()),
        "classifier_probability": float(probability) if probability else None,
        "height": int(row["height"]),
        "width": int(row["width"]),
        "resized": row["resized"] == "True",
    }
    return Metadata(**{**row, **parsed})  # pyright: ignore[reportArgumentType]

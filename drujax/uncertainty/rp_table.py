"""Saves and loads the tables of relativistic probabilities of a run."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically

PARTS = ("dark", "bright")


def save_tables(
    path: Path, tables: dict[str, Float32[np.ndarray, " n"]], dataset: Any, licence: str | None = None
) -> None:
    """Writes the tables, in record order, with the ids of their images and the licence that they are under, if any."""
    content = io.BytesIO()
    np.savez(
        content,
        dark=tables["dark"],
        bright=tables["bright"],
        dark_id=_ids(dataset, "dark"),
        bright_id=_ids(dataset, "bright"),
        licence=licence or "",
    )
    write_atomically(path, content.getvalue())


def load_tables(path: Path, dataset: Any) -> dict[str, Float32[np.ndarray, " n"]]:
    """Loads the tables in `path`.

    Raises:
        UsageError: they belong to another dataset.
    """
    with np.load(path) as stored:
        for name in PARTS:
            if not np.array_equal(stored[f"{name}_id"], _ids(dataset, name)):
                raise UsageError(f"{path} belongs to another dataset than {dataset.path}: train_{name} differs.")
        return {name: stored[name] for name in PARTS}


def read_tables(path: Path) -> dict[str, dict[str, np.float32]]:
    """Reads the tables in `path`, whatever dataset they are of: part -> id -> probability. Raises UsageError."""
    try:
        with np.load(path) as stored:
            return {name: dict(zip(stored[f"{name}_id"].tolist(), stored[name], strict=True)) for name in PARTS}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: no table of relativistic probabilities ({error})") from None


def look_up_tables(path: Path, dataset: Any) -> dict[str, Float32[np.ndarray, " n"]]:
    """Finds the tables of `dataset` in `path`, which may be those of a dataset with other labels or more images.

    The two outputs of F_q add up to 1, so an image that was of the other class there has the complement here.

    Raises:
        UsageError: the file is no such table, or lacks an image.
    """
    of = read_tables(path)

    def probability(name: str, image: str) -> np.float32:
        (other,) = set(PARTS) - {name}
        if image in of[name]:
            return of[name][image]
        if image in of[other]:
            return 1 - of[other][image]
        raise UsageError(f"{path}: has no relativistic probability of {image}; it is of another dataset")

    return {name: np.array([probability(name, i) for i in _ids(dataset, name).tolist()], np.float32) for name in PARTS}


def tables_licence(path: Path) -> str | None:
    """Returns the licence that the probability network's weights impose on the tables in `path`; None without one."""
    with np.load(path) as stored:
        return str(stored["licence"]) or None if "licence" in stored else None


def _ids(dataset: Any, name: str) -> np.ndarray:
    return np.array([row.id for row in dataset.table(f"train_{name}")])

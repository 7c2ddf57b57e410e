"""Saves and loads the tables of relativistic probabilities of a run."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically

PARTS = ("dark", "bright")


def save_tables(path: Path, tables: dict[str, Float32[np.ndarray, " n"]], dataset: Any) -> None:
    """Writes the tables, in record order, with the ids of their images."""
    content = io.BytesIO()
    np.savez(
        content,
        dark=tables["dark"],
        bright=tables["bright"],
        dark_id=_ids(dataset, "dark"),
        bright_id=_ids(dataset, "bright"),
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


def _ids(dataset: Any, name: str) -> np.ndarray:
    return np.array([row.id for row in dataset.table(f"train_{name}")])

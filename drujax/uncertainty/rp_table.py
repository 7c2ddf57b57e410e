"""Saves and loads the tables of relativistic probabilities of a run."""

import io
import itertools
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


def look_up_tables(path: Path, dataset: Any) -> dict[str, Float32[np.ndarray, " n"]]:
    """Finds the tables of `dataset` in `path`, which may be those of a dataset with other labels or more images.

    The two outputs of F_q add up to 1, so an image of the other class there has the complement here.

    Raises:
        UsageError: the file is no such table, or lacks an image.
    """
    try:
        with np.load(path) as stored:
            known = [*zip(stored["dark_id"].tolist(), stored["dark"].tolist(), strict=True)]
            known += zip(stored["bright_id"].tolist(), (1 - stored["bright"]).tolist(), strict=True)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: no table of relativistic probabilities ({error})") from None
    dark = dict(known)
    ids = {name: _ids(dataset, name).tolist() for name in PARTS}
    for name in itertools.chain.from_iterable(ids.values()):
        if name not in dark:
            raise UsageError(f"{path}: has no relativistic probability of {name}; it is of another dataset")
    found = {name: np.array([dark[image] for image in images], np.float32) for name, images in ids.items()}
    return {"dark": found["dark"], "bright": 1 - found["bright"]}


def tables_licence(path: Path) -> str | None:
    """Returns the licence that the probability network's weights impose on the tables in `path`; None without one."""
    with np.load(path) as stored:
        return str(stored["licence"]) or None if "licence" in stored else None


def _ids(dataset: Any, name: str) -> np.ndarray:
    return np.array([row.id for row in dataset.table(f"train_{name}")])

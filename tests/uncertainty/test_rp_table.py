import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.uncertainty.rp_table import load_tables, save_tables


@dataclasses.dataclass
class Dataset:
    dark: list[str]
    bright: list[str]
    path: Path = Path("D")

    def table(self, split):
        return [SimpleNamespace(id=name) for name in getattr(self, split.removeprefix("train_"))]


def test_tables_load_only_for_their_dataset(tmp_path):
    dataset = Dataset(["a", "b"], ["c"])
    tables = {"dark": np.array([0.25, 0.5], np.float32), "bright": np.array([0.75], np.float32)}
    save_tables(tmp_path / "rp.npz", tables, dataset)
    loaded = load_tables(tmp_path / "rp.npz", dataset)
    assert loaded.keys() == tables.keys()
    for name, table in tables.items():
        np.testing.assert_array_equal(loaded[name], table)
    with pytest.raises(UsageError, match="belongs to another dataset than D: train_dark differs"):
        load_tables(tmp_path / "rp.npz", Dataset(["b", "a"], ["c"]))

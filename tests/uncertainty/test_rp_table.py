import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.uncertainty.rp_table import load_tables, look_up_tables, save_tables


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


def test_tables_of_other_labels_are_looked_up_by_image(tmp_path):
    """b became bright: what was RP_d is its complement, RP_b."""
    tables = {"dark": np.array([0.25, 0.9], np.float32), "bright": np.array([0.75, 0.5], np.float32)}
    save_tables(tmp_path / "rp.npz", tables, Dataset(["a", "b"], ["c", "d"]))
    for name, table in look_up_tables(tmp_path / "rp.npz", Dataset(["a", "b"], ["c", "d"])).items():
        np.testing.assert_array_equal(table, tables[name])
    found = look_up_tables(tmp_path / "rp.npz", Dataset(["d", "a"], ["b"]))
    np.testing.assert_allclose(found["dark"], [0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(found["bright"], [0.1], rtol=1e-6)
    with pytest.raises(UsageError, match="has no relativistic probability of e; it is of another dataset"):
        look_up_tables(tmp_path / "rp.npz", Dataset(["a"], ["e"]))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "rp.npz").write_bytes(b"PK")
    with pytest.raises(UsageError, match="rp.npz: no table of relativistic probabilities"):
        look_up_tables(tmp_path / "rp.npz", Dataset(["a"], ["e"]))

import dataclasses
import json
from pathlib import Path

import pytest

from drujax.errors import UsageError
from drujax.training.workdir import claim_workdir


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class Config:
    data: Path = Path("d")
    crop: int = 320
    log_every: int = 10
    inner: Inner = Inner()


def test_same_configuration_goes_on(tmp_path):
    claim_workdir(tmp_path / "run", Config())
    (tmp_path / "run" / "metrics.jsonl").touch()
    claim_workdir(tmp_path / "run", Config(log_every=3), free={"log_every"})
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {
        "data": "d",
        "crop": 320,
        "log_every": 10,
        "inner": {"rate": 0.1},
    }
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["versions"]["jax"]


def test_changed_configuration_is_refused_with_its_difference(tmp_path):
    claim_workdir(tmp_path, Config())
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UsageError, match=r"another configuration \(crop: 320 -> 64; inner.rate: 0.1 -> 0.2\)"):
        claim_workdir(tmp_path, Config(crop=64, inner=Inner(0.2)))


def test_a_start_that_was_refused_leaves_the_folder_to_another(tmp_path):
    claim_workdir(tmp_path, Config(data=Path("dd")))
    claim_workdir(tmp_path, Config())
    assert json.loads((tmp_path / "config.json").read_text())["data"] == "d"

import dataclasses
import json
from pathlib import Path

import pytest

from drujax.errors import UsageError
from drujax.runtime import fingerprint
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


def test_the_same_configuration_resumes(tmp_path):
    claim_workdir(tmp_path / "run", Config())
    (tmp_path / "run" / "metrics.jsonl").touch()
    claim_workdir(tmp_path / "run", Config(log_every=3), free={"log_every"})
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {
        "data": "d",
        "crop": 320,
        "log_every": 10,
        "inner": {"rate": 0.1},
        "contents": {},
    }
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["versions"]["jax"]


def test_a_changed_configuration_is_refused_with_the_differences(tmp_path):
    claim_workdir(tmp_path, Config())
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UsageError, match=r"another configuration \(crop: 320 -> 64; inner.rate: 0.1 -> 0.2\)"):
        claim_workdir(tmp_path, Config(crop=64, inner=Inner(0.2)))


def test_a_refused_start_does_not_claim_the_folder(tmp_path):
    claim_workdir(tmp_path, Config(data=Path("dd")))
    claim_workdir(tmp_path, Config())
    assert json.loads((tmp_path / "config.json").read_text())["data"] == "d"


def test_changed_content_at_the_same_path_is_refused(tmp_path):
    """A changed file, a changed file in a folder, and a file replaced by one of the same size."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "records.csv").write_text("ids")
    (data / "shard").write_bytes(bytes(100))
    run = tmp_path / "run"
    claim_workdir(run, Config(data=data))
    (run / "metrics.jsonl").touch()
    claim_workdir(run, Config(data=data))
    (data / "shard").write_bytes(bytes(99) + b"1")
    with pytest.raises(UsageError, match=r"the content of data has changed"):
        claim_workdir(run, Config(data=data))


def test_ignored_files_may_change(tmp_path):
    """Only directly in the folder, and only of these names."""
    data = tmp_path / "data"
    (data / "inner").mkdir(parents=True)
    (data / "records.csv").write_text("ids")
    run = tmp_path / "run"
    claim_workdir(run, Config(data=data), ignored={"card"})
    (run / "metrics.jsonl").touch()
    (data / "card").write_text("new")
    claim_workdir(run, Config(data=data), ignored={"card"})
    (data / "inner" / "card").write_text("new")
    with pytest.raises(UsageError, match=r"the content of data has changed"):
        claim_workdir(run, Config(data=data), ignored={"card"})


def test_a_changed_block_of_a_large_file_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "WHOLE", 100)
    monkeypatch.setattr(fingerprint, "BLOCK", 10)
    file = tmp_path / "shard"
    file.write_bytes(bytes(2000))
    before = fingerprint.fingerprint(file)
    file.write_bytes(bytes(1000) + b"1" + bytes(999))
    assert fingerprint.fingerprint(file) != before


def test_runs_resume_across_new_options_and_options_of_other_methods(tmp_path):
    claim_workdir(tmp_path, Config())
    (tmp_path / "metrics.jsonl").touch()
    stored = json.loads((tmp_path / "config.json").read_text())
    del stored["crop"], stored["contents"]  # an option and a check that are newer than the run
    (tmp_path / "config.json").write_text(json.dumps({**stored, "ruas": {"one_picture": True}}))
    claim_workdir(tmp_path, Config())
    with pytest.raises(UsageError, match=r"crop: 320 -> 64"):
        claim_workdir(tmp_path, Config(crop=64))

"""A build in processes, or on Apache Beam, gives the bytes of a build in threads."""

from pathlib import Path

import pytest

from drujax.data import writer
from drujax.data.dataset import Dataset
from drujax.data.execution import BeamRunner
from drujax.data.prepare import prepare
from drujax.data.records import SPLITS
from drujax.data.sources import Scenes
from drujax.runtime import parallel
from tests.data.test_interrupted import contents


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, save_pictures):
    """A folder of pictures, two of them unreadable, and the bytes of its dataset."""
    folder = tmp_path_factory.mktemp("whole")
    source = save_pictures(folder / "p", dark=20, bright=10, uncertain=2)
    for name in ("bad.png", "worse.png"):
        (source / name).write_text("no picture")
    summary = prepare([source], folder / "data", crop=16, quiet=True)
    assert len(summary.skipped) == 2
    return source, contents(folder / "data")


@pytest.mark.parametrize("processes", [1, 2])
def test_processes(pictures, tmp_path, monkeypatch, processes):
    source, expected = pictures
    monkeypatch.setattr(parallel, "WORTHWHILE", 4)
    prepare([source], tmp_path / "data", crop=16, processes=processes, quiet=True)
    assert contents(tmp_path / "data") == expected


@pytest.mark.filterwarnings("default")  # of Beam's own
@pytest.mark.parametrize("options", [(), ("direct_num_workers=2", "direct_running_mode=multi_threading")], ids=str)
def test_beam(pictures, tmp_path, options):
    pytest.importorskip("apache_beam", reason="needs the extra beam")
    source, expected = pictures
    prepare([source], tmp_path / "data", crop=16, beam=BeamRunner("DirectRunner", options), quiet=True)
    assert contents(tmp_path / "data") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.filterwarnings("default")
def test_beam_continues_an_interrupted_build(pictures, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam", reason="needs the extra beam")
    source, expected = pictures
    with monkeypatch.context() as patch:
        patch.setattr(writer.ShardFolder, "describe", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare([source], tmp_path / "data", crop=16, beam=BeamRunner("DirectRunner"), quiet=True)
    monkeypatch.setattr(writer, "serialise", pytest.fail)
    prepare([source], tmp_path / "data", crop=16, quiet=True)
    assert contents(tmp_path / "data") == expected


def test_scenes_in_processes(tmp_path, monkeypatch):
    prepare(Scenes(8, (20, 24)), tmp_path / "threads", crop=16, quiet=True)
    monkeypatch.setattr(parallel, "WORTHWHILE", 4)
    prepare(Scenes(8, (20, 24)), tmp_path / "processes", crop=16, processes=2, quiet=True)
    assert contents(tmp_path / "threads") == contents(tmp_path / "processes")


def test_large_splits_have_several_shards_in_the_same_order(pictures, tmp_path, monkeypatch):
    source, expected = pictures
    monkeypatch.setattr(writer, "SHARD_BYTES", 5000)
    prepare([source], tmp_path / "data", crop=16, quiet=True)
    files = sorted(Path(name).name for name in contents(tmp_path / "data"))
    assert sum("train_dark" in name for name in files) > 1
    assert "anime_scenery-train_dark.array_record-00001-of-00004" in files
    assert (tmp_path / "data" / "records.csv").read_bytes() == expected["records.csv"]
    dataset = Dataset.open(tmp_path / "data")
    for split in SPLITS:
        assert [record.id for record in dataset.split(split)] == [row.id for row in dataset.table(split)]

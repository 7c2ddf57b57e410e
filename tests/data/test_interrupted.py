"""A build that was interrupted anywhere continues, and gives the same bytes as an uninterrupted one."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drujax.data import measurements, sources, writer
from drujax.data.journal import ROW, Journal, measure
from drujax.data.sources import Candidate, Scenes
from drujax.errors import UsageError
from drujax.runtime.work_folder import work_path
from tests.support.killed import Point, run_until
from tests.support.small_datasets import build as run

POINTS = [
    Point("drujax.data.measurements:measure", call=5),
    Point("drujax.data.prepare:merge_copies"),
    Point("drujax.data.writer:serialise", call=9),
    Point("os:replace", "train_bright"),  # before a shard has its name
    Point("os:replace", "train_bright", call=2),  # before it counts as complete
    Point("drujax.data.prepare:write_table"),
    Point("pathlib:Path.write_text", "dataset.json"),
    Point("shutil:rmtree", ".data.unfinished"),  # when the dataset is complete
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, save_pictures):
    """A folder of pictures, and the bytes of its dataset."""
    folder = tmp_path_factory.mktemp("whole")
    source = save_pictures(folder / "p", dark=8, bright=4, uncertain=1)
    run([source], folder / "data")
    return source, contents(folder / "data")


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_killed_build_continues(pictures, tmp_path, point):
    source, expected = pictures
    run_until(point, "experiments.prepare", f"--source={source}", f"--out={tmp_path / 'data'}", "--crop=16")
    assert work_path(tmp_path / "data").exists()
    assert (tmp_path / "data").exists() == (point.function == "shutil:rmtree")
    run([source], tmp_path / "data")
    assert contents(tmp_path / "data") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_killed_painting_continues(tmp_path, monkeypatch):
    arguments = ["--source=scenes", "--count=6", "--size=20x24", "--seed=3", "--crop=16", f"--out={tmp_path / 'data'}"]
    run_until(Point("os:replace", "000003.png"), "experiments.prepare", *arguments)
    painted = {path.name for path in (work_path(tmp_path / "data") / "scenes").glob("0*.png")}
    assert 0 < len(painted) < 6
    repainted = []
    paint = sources.paint
    monkeypatch.setattr(
        sources, "paint", lambda seed, index, size: (repainted.append(index), paint(seed, index, size))[1]
    )
    run(Scenes(6, (20, 24), 3), tmp_path / "data", seed=3)
    assert sorted(repainted) == [index for index in range(6) if f"{index:06d}.png" not in painted]
    run(Scenes(6, (20, 24), 3), tmp_path / "again", seed=3)
    assert contents(tmp_path / "data") == contents(tmp_path / "again")


class Interrupted(Exception):
    pass


def interrupt(*_):
    raise Interrupted


@pytest.fixture
def stopped(pictures, tmp_path, monkeypatch):
    """Stops a build, by an exception, when some shards are written; returns its source and folder."""
    source, _ = pictures
    with monkeypatch.context() as patch:
        write_marker = writer.write_atomically

        def stop(path, content):
            if "val_dark" in path.name:
                raise Interrupted
            write_marker(path, content)

        patch.setattr(writer, "write_atomically", stop)
        with pytest.raises(Interrupted):
            run([source], tmp_path / "data")
    return source, tmp_path / "data"


def test_what_is_done_is_not_done_again(pictures, stopped, monkeypatch):
    source, out = stopped
    written = []
    serialise = writer.serialise
    monkeypatch.setattr(measurements, "measure", pytest.fail)
    monkeypatch.setattr(writer, "serialise", lambda record: (written.append(record), serialise(record))[1])
    run([source], out)
    assert contents(out) == pictures[1]
    assert len(written) == 1


def test_other_settings_and_pictures_use_what_is_still_valid(stopped, tmp_path, monkeypatch, save_picture):
    source, out = stopped
    measured = []
    measure = measurements.measure
    monkeypatch.setattr(measurements, "measure", lambda one: (measured.append(one.id), measure(one))[1])
    new = save_picture(tmp_path / "more" / "new.png", 25)
    run([source, new.parent], out, seed=1, low=110.0)
    assert measured == ["more/new.png"]
    run([source, new.parent], tmp_path / "fresh", seed=1, low=110.0)
    assert contents(out) == contents(tmp_path / "fresh")


def test_other_programs_start_anew(stopped, monkeypatch):
    source, out = stopped
    (work_path(out) / "versions").write_text("drujax 0")
    run([source], out)
    assert not work_path(out).exists()


def test_the_classifier_is_not_asked_again(tmp_path, save_pictures, monkeypatch):
    source = save_pictures(tmp_path / "p", dark=8, bright=4, uncertain=2)
    asked = []

    def classify(confident, labels, groups, uncertain):
        asked.append(len(uncertain))
        return np.array([[0.25, 0.75]] * len(uncertain), np.float32)

    options = {"labels": "classifier", "label_uncertain": classify, "classifier": {"weights": "a"}}
    with monkeypatch.context() as patch:
        patch.setattr(writer, "serialise", interrupt)
        with pytest.raises(Interrupted):
            run([source], tmp_path / "data", **options)
    run([source], tmp_path / "data", **options)
    assert asked == [2]
    run([source], tmp_path / "fresh", **options)
    assert contents(tmp_path / "data") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("damage", [lambda rows: rows[:-1], lambda rows: rows[:-600] + bytes(600), lambda rows: rows])
def test_an_incomplete_row_is_removed_from_the_journal(pictures, tmp_path, damage):
    source, _ = pictures
    rows = [measure(Candidate(path.name, "p", path)) for path in sorted(source.iterdir())[:3]]
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(source.iterdir())[:3]]
    (tmp_path / "rows").write_bytes(damage(b"".join(rows)))
    whole = damage(rows[2]) == rows[2]
    journal = Journal(tmp_path / "rows")
    assert [digest in journal for digest in digests] == [True, True, whole]
    journal.append(rows[2:])
    assert len(Journal(tmp_path / "rows").rows(digests)[0]) == 3
    assert (tmp_path / "rows").stat().st_size == ROW.itemsize * (4 if whole else 3)


def test_a_picture_that_changes_meanwhile_is_reported(pictures, tmp_path, save_pictures, monkeypatch):
    source = save_pictures(tmp_path / "p", dark=3, bright=1)
    measure = measurements.measure

    def change(candidate):
        result = measure(candidate)
        if candidate.path.name == "dark1.png":
            candidate.path.write_bytes(candidate.path.read_bytes() + b"more")
        return result

    monkeypatch.setattr(measurements, "measure", change)
    with pytest.raises(UsageError, match=r"dark1.png: the file changed while the dataset was built; build it again"):
        run([source], tmp_path / "data")


def limited(source: Path, out: Path, size: int) -> subprocess.CompletedProcess[str]:
    """Builds with a limit on the size of files, which fails a write as a full disk does."""
    program = f"""
import resource, sys
import experiments.prepare
from drujax.console import command_line
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
arguments = ["--source={source}", "--out={out}", "--crop=16"]
sys.exit(command_line.run(lambda: experiments.prepare.main(arguments), "prepare"))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("size", [10, 4000, 100_000])
def test_a_full_disk_is_reported_and_the_next_build_continues(pictures, tmp_path, size):
    """Full when the first file is written; in the journal; in a shard."""
    source, expected = pictures
    done = limited(source, tmp_path / "data", size)
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"prepare: error: {tmp_path}: cannot be written: File too large; what was done is kept in "
        ".data.unfinished: run the same command again to continue, or delete it\n"
    )
    run([source], tmp_path / "data")
    assert contents(tmp_path / "data") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write")
def test_a_folder_that_cannot_be_written_is_reported(pictures):
    with pytest.raises(UsageError, match=r"^out: cannot write in /proc: "):
        run([pictures[0]], Path("/proc/data"))
    with pytest.raises(UsageError, match=r"^out: cannot write in .*p/dark0.png/x: "):
        run([pictures[0]], pictures[0] / "dark0.png" / "x" / "data")

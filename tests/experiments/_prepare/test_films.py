"""`experiments.prepare films`."""

import subprocess
import sys

import numpy as np
import pytest

from drujax.data.dataset import Dataset
from experiments import prepare
from tests.support.commands import run_prepare as run
from tests.support.films import encode, numbered_film
from tests.support.textures import texture


@pytest.fixture
def film(tmp_path):
    return numbered_film(tmp_path / "films" / "Night Train.mp4", 30)


def test_from_a_film_to_a_dataset(tmp_path, capsys):
    """Crops of one frame are on one side of the split."""
    dark = [np.asarray(texture(seed, top=60)) for seed in range(8) for _ in range(20)]
    encode(tmp_path / "films" / "night.mkv", dark)
    frames = tmp_path / "frames"
    assert run("films", f"--films={tmp_path / 'films'}", f"--out={frames}") == 0
    printed = capsys.readouterr().out
    assert "night.mkv" in printed
    assert f"groups: {frames / 'groups.csv'}" in printed
    data = tmp_path / "data"
    assert run(f"--source={frames}", f"--groups={frames / 'groups.csv'}", f"--out={data}", "--crop=16") == 0
    dataset = Dataset.open(data)
    sides = {split: {row.group for row in dataset.table(split)} for split in ("train_dark", "val_dark", "test_dark")}
    assert sum(len(dataset.table(split)) for split in sides) == 24
    assert sum(len(found) for found in sides.values()) == len(set.union(*sides.values())) == 8


def test_skipped_frames_are_printed_and_exit_code_1(film, tmp_path, capsys):
    listed = tmp_path / "list.json"
    listed.write_text('{"Night Train": [2, 30], "Nihgt": [1]}')
    assert run("films", f"--films={film.parent}", f"--frame-list={listed}", f"--out={tmp_path / 'out'}") == 1
    captured = capsys.readouterr()
    assert "prepare: skipped: Nihgt: no film of this title\n" in captured.err
    assert f"prepare: skipped: {film}: frame 30: past the end: the film has 30 frames\n" in captured.err
    assert "Night Train.mp4" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--films=gone"], "--films: folder not found: gone"),
        (["--frame-list=gone.json"], "--frame-list: file not found: gone.json"),
        (["--crops=square"], "--crops"),
        (["--frame-lst=x"], "Did you mean --frame-list?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(film, tmp_path, capsys, arguments, message):
    assert run("films", f"--films={film}", f"--out={tmp_path / 'out'}", *arguments) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.startswith("prepare: error: ")
    assert captured.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_list_of_other_films_is_an_error(film, tmp_path, capsys):
    listed = tmp_path / "list.json"
    listed.write_text('{"Night Tram": [2]}')
    assert run("films", f"--films={film}", f"--out={tmp_path / 'out'}", f"--frame-list={listed}") == 2
    captured = capsys.readouterr().err
    assert captured == (
        f"prepare: error: --frame-list: no film has a title of {listed} (first: Night Tram: no film of this title. "
        "Did you mean Night Train.mp4? Then rename it.)\n"
    )


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/drujax"])
def test_an_unwritable_folder_is_reported(film, tmp_path, capsys, folder):
    (tmp_path / "file").touch()
    out = tmp_path / folder
    assert run("films", f"--films={film}", f"--out={out}") == 2
    captured = capsys.readouterr().err
    assert str(out).removesuffix("/below") in captured
    assert captured.count("\n") == 1


def test_a_full_disk_is_reported_and_the_run_continues_later(tmp_path):
    """A file size limit fails a write as a full disk does."""
    film = encode(tmp_path / "films" / "Night Train.mp4", [np.asarray(texture(0))] * 3)
    listed = tmp_path / "list.json"
    listed.write_text('{"Night Train": [0, 1, 2]}')
    program = f"""
import resource, sys
import experiments.prepare
from drujax.console import command_line
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
arguments = ["films", "--films={film}", "--frame-list={listed}", "--out={tmp_path / "out"}"]
sys.exit(command_line.run(lambda: experiments.prepare.main(arguments), "prepare"))
"""

    def with_room(size):
        return subprocess.run(
            [sys.executable, "-c", program, str(size)], capture_output=True, text=True, timeout=300, check=False
        )

    full = with_room(3000)
    assert full.returncode == 2, full.stderr
    assert full.stderr.startswith(f"prepare: error: {tmp_path / 'out' / 'night-train'}/00000")
    assert full.stderr.endswith("_left.png: file too large\n")
    assert full.stderr.count("\n") == 1
    assert with_room(1_000_000).returncode == 0
    assert len(list((tmp_path / "out" / "night-train").iterdir())) == 9


def test_the_extra_is_named_where_it_is_missing(film, tmp_path):
    program = """
import sys
sys.modules["av"] = None
from drujax.console import command_line
import experiments.prepare
sys.exit(command_line.run(lambda: experiments.prepare.main(sys.argv[1:]), "prepare"))
"""
    words = [sys.executable, "-c", program, "films"]
    done = subprocess.run([*words, f"--films={film}", f"--out={tmp_path / 'out'}"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "prepare: error: av is not installed: pip install 'drujax[video]'\n"
    assert subprocess.run([*words, "--help"], capture_output=True).returncode == 0


def test_the_help_of_prepare_names_it(capsys):
    with pytest.raises(SystemExit):
        prepare.main(["--help"])
    assert "prepare films --help" in capsys.readouterr().out

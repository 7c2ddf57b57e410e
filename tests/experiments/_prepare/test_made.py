"""One command that makes pictures of films and photographs, and builds a dataset of them and of folders."""

import numpy as np
import pytest
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.data.records import SPLITS
from tests.support.commands import run_prepare as run
from tests.support.films import encode
from tests.support.textures import texture
from tests.support.tiny_model import command_settings
from tests.support.tiny_translator import save_tiny_translator


@pytest.fixture
def sources(tmp_path):
    """Three dark shots, two photographs and eight drawings, half of them dark."""
    encode(tmp_path / "films" / "night.mkv", [np.asarray(texture(i, top=60)) for i in range(3) for _ in range(20)])
    for folder in ("photos", "drawn"):
        (tmp_path / folder).mkdir()
    for seed in range(10, 12):
        texture(seed, (24, 32)).save(tmp_path / "photos" / f"{seed}.png")
    for seed in range(20, 28):
        picture = texture(seed, (40, 56), top=60)
        (picture if seed % 2 else Image.eval(picture, lambda x: 255 - x)).save(tmp_path / "drawn" / f"{seed}.png")
    return tmp_path


def arguments_of(folder):
    return [
        f"--source={folder / 'drawn'}",
        f"--films.source={folder / 'films'}",
        f"--photos.source={folder / 'photos'}",
        f"--photos.weights={save_tiny_translator(folder / 'translator.npz')}",
        f"--out={folder / 'D'}",
        "--crop=16",
        "--low=90",
        "--high=100",
    ]


def test_films_photographs_and_folders_become_one_dataset(sources, capsys):
    with command_settings(sources / "cache"):
        assert run(*arguments_of(sources)) == 0
    printed = capsys.readouterr().out
    assert "night.mkv" in printed
    assert "2 pictures translated" in printed
    dataset = Dataset.open(sources / "D")
    rows = [row for split in SPLITS for row in dataset.table(split)]
    counts = {name: sum(row.source == name for row in rows) for name in ("drawn", "films", "photos")}
    assert (counts["drawn"], counts["films"]) == (8, 9)
    assert 0 <= counts["photos"] <= 2  # what a random network makes may be uncertain
    of_film = [row.group for row in rows if row.source == "films"]
    assert len(set(of_film)) == 3
    assert (sources / "D-sources" / "films" / "groups.csv").is_file()
    assert "--films.source" in (sources / "D" / "DATASET.md").read_text()
    with command_settings(sources / "cache"):
        assert run(*arguments_of(sources)) == 0
    assert "held this dataset already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--films.source=gone"], "--films.source: folder not found: gone"),
        (["--photos.source=gone", "--photos.weights={weights}"], "--photos.source: folder not found: gone"),
        (["--films.crops=whole"], "--films.source: needed by --films.frame-list"),
        (["--photos.translator=scenimefy"], "--photos.source: needed by --photos.translator"),
        (["--source=scenes", "--films.source={films}"], '--source: "scenes" (synthetic) cannot be combined'),
    ],
)
def test_mistakes(sources, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(sources)
    weights = save_tiny_translator(sources / "translator.npz")
    given = [argument.format(films=sources / "films", weights=weights) for argument in arguments]
    with command_settings(sources / "cache"):
        assert run(*given, "--out=D", "--crop=16") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"prepare: error: {message}"), error


def test_a_film_without_a_usable_frame_is_refused(tmp_path, capsys):
    encode(tmp_path / "films" / "black.mkv", [np.zeros((48, 64, 3), np.uint8)] * 20)
    assert run(f"--films.source={tmp_path / 'films'}", f"--out={tmp_path / 'D'}") == 2
    assert "--films.source: no frame of" in capsys.readouterr().err

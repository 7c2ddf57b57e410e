"""From films to a folder of pictures with groups."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from drujax.data.films import extract_films
from drujax.data.films.record import slug
from drujax.errors import UsageError
from drujax.pictures.io import read_picture
from tests.support.films import audio_only, encode, number_in, numbered_film
from tests.support.killed import Point, run_until
from tests.support.textures import texture

COUNT = 60


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    numbered_film(folder / "Night Train.mp4", COUNT)
    numbered_film(folder / "season 2" / "night-train!.mkv", COUNT, codec="mpeg4")
    return folder


def frame_list(folder: Path, **frames: list[int]) -> Path:
    file = folder / "list.json"
    file.write_text(json.dumps({title.replace("_", " "): numbers for title, numbers in frames.items()}))
    return file


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def groups(out: Path) -> dict[str, str]:
    with (out / "groups.csv").open(newline="") as file:
        return {row["file"]: row["group"] for row in csv.DictReader(file)}


def test_listed_frames_become_three_squares_of_one_group(films, tmp_path):
    listed = frame_list(tmp_path, Night_Train=[20, 0, 40])
    result = extract_films(films / "Night Train.mp4", tmp_path / "out", frame_list=listed, quiet=True)
    names = [f"night-train/{n:06d}_{crop}.png" for n in (0, 20, 40) for crop in ("centre", "left", "right")]
    assert groups(tmp_path / "out") == {name: name.rpartition("_")[0] for name in names}
    assert sorted(files(tmp_path / "out")) == sorted([*names, "films.json", "groups.csv"])
    assert {read_picture(tmp_path / "out" / name).rgb.shape for name in names} == {(64, 64, 3)}
    assert result.skipped == []
    assert [(film.frames, film.pictures, film.unreadable, film.shots) for film in result.films] == [(3, 9, 0, None)]


def test_whole_frames_are_those_of_the_list(films, tmp_path):
    listed = frame_list(tmp_path, Night_Train=[0, 7, 59])
    extract_films(films / "Night Train.mp4", tmp_path / "out", frame_list=listed, crops="whole", quiet=True)
    found = {path.name: number_in(read_picture(path).rgb) for path in (tmp_path / "out/night-train").iterdir()}
    assert found == {"000000.png": 0, "000007.png": 7, "000059.png": 59}


def test_films_of_equal_names_do_not_collide(films, tmp_path):
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps({"Night Train": [5], "night-train!": [5, 6]}))
    extract_films(films, tmp_path / "out", frame_list=listed, crops="whole", quiet=True)
    assert groups(tmp_path / "out") == {
        "night-train/000005.png": "night-train/000005",
        "night-train-2/000005.png": "night-train-2/000005",
        "night-train-2/000006.png": "night-train-2/000006",
    }


def test_a_sampled_shot_is_a_group_without_bars(tmp_path):
    scenes = [np.pad(np.asarray(texture(seed)), ((12, 12), (0, 0), (0, 0))) for seed in (1, 2) for _ in range(40)]
    encode(tmp_path / "films" / "a.mp4", scenes)
    result = extract_films(tmp_path / "films", tmp_path / "out", quiet=True)
    assert set(groups(tmp_path / "out").values()) == {"a/shot-00001", "a/shot-00002"}
    shapes = {read_picture(tmp_path / "out" / name).rgb.shape[:2] for name in groups(tmp_path / "out")}
    assert len(shapes) == 1
    assert 64 <= shapes.pop()[0] <= 72
    assert "a.mp4      2       2         6" in str(result)


def test_what_cannot_be_read_is_reported_and_the_rest_is_done(films, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "good.mp4").write_bytes((films / "Night Train.mp4").read_bytes())
    (folder / "bad.mkv").write_text("no film")
    audio_only(folder / "sound.mp4")
    listed = frame_list(tmp_path, good=[3, 60, 99], bad=[1], sound=[1], gone=[1], goood=[1])
    result = extract_films(folder, tmp_path / "out", frame_list=listed, quiet=True)
    assert result.skipped[0] == "gone: no film of this title"
    assert result.skipped[1] == "goood: no film of this title. Did you mean good.mp4? Then rename it."
    assert f"{folder / 'bad.mkv'}: not a readable film" in result.skipped[2]
    assert result.skipped[3] == f"{folder / 'good.mp4'}: frame 60: past the end: the film has 60 frames"
    assert result.skipped[4] == f"{folder / 'good.mp4'}: frame 99: past the end: the film has 60 frames"
    assert result.skipped[5] == f"{folder / 'sound.mp4'}: has no video (audio)"
    assert len(groups(tmp_path / "out")) == 3


def test_a_damaged_film_is_sampled_as_far_as_it_is_whole(tmp_path):
    frames = [np.asarray(texture(number // 40)) for number in range(240)]
    film = encode(tmp_path / "a.mkv", frames, muxer={"cluster_time_limit": "500"})
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    result = extract_films(film, tmp_path / "out", quiet=True)
    assert result.skipped[0].startswith(f"{film}: the file is damaged, so only the first ")
    assert len(result.skipped) == 1
    assert 1 <= result.films[0].frames <= 3


def test_films_that_the_list_does_not_name_are_noted(films, tmp_path):
    listed = frame_list(tmp_path, Night_Train=[1])
    result = extract_films(films, tmp_path / "out", frame_list=listed, quiet=True)
    assert result.notes == [f"not in {listed}: night-train!.mkv"]


def test_a_complete_run_is_not_repeated(films, tmp_path, monkeypatch):
    listed = frame_list(tmp_path, Night_Train=[1, 2])
    arguments = {"frame_list": listed, "quiet": True}
    first = extract_films(films, tmp_path / "out", **arguments)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    second = extract_films(films, tmp_path / "out", **arguments)
    assert str(second) == str(first)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")} == before


def test_films_can_be_added(films, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for name, source in (("b b.mp4", "Night Train.mp4"), ("B-B.mkv", "season 2/night-train!.mkv")):
        (folder / name).write_bytes((films / source).read_bytes())
        listed = tmp_path / "list.json"
        listed.write_text('{"b b": [1], "B-B": [2]}')
        extract_films(folder, tmp_path / "out", frame_list=listed, crops="whole", quiet=True)
    assert list(groups(tmp_path / "out")) == ["b-b-2/000002.png", "b-b/000001.png"]


@pytest.mark.parametrize(
    "point",
    [
        Point("drujax.data.films.record:write_atomically", "films.json", 2),
        Point("os:replace", "000020_left.png"),
        Point("os:replace", "000020_centre.png"),
        Point("os:replace", "groups.csv"),
    ],
    ids=str,
)
def test_a_killed_run_continues_to_the_same_bytes(films, tmp_path, point):
    listed = tmp_path / "list.json"
    listed.write_text('{"Night Train": [0, 20, 59, 70], "night-train!": [20]}')
    whole, out = tmp_path / "whole", tmp_path / "out"
    extract_films(films, whole, frame_list=listed, quiet=True)
    run_until(point, "experiments.prepare", "films", f"--films={films}", f"--frame-list={listed}", f"--out={out}")
    assert files(out) != files(whole)
    extract_films(films, out, frame_list=listed, quiet=True)
    assert files(out) == files(whole)


def test_another_list_other_crops_and_another_film_are_refused(films, tmp_path):
    film, out = tmp_path / "Night Train.mp4", tmp_path / "out"
    film.write_bytes((films / "Night Train.mp4").read_bytes())
    extract_films(film, out, frame_list=frame_list(tmp_path, Night_Train=[1]), quiet=True)
    before = files(out)
    with pytest.raises(UsageError, match="out: .* was made with another crops"):
        extract_films(film, out, frame_list=tmp_path / "list.json", crops="whole", quiet=True)
    numbered_film(film, 50)
    with pytest.raises(UsageError, match="has changed since its frames were extracted"):
        extract_films(film, out, frame_list=tmp_path / "list.json", quiet=True)
    with pytest.raises(UsageError, match="out: .* was made with another frame list"):
        extract_films(film, out, frame_list=frame_list(tmp_path, Night_Train=[2]), quiet=True)
    with pytest.raises(UsageError, match="crops: unknown value 'square'. Did you mean squares?"):
        extract_films(film, out, crops="square", quiet=True)
    assert files(out) == before


def test_a_folder_of_something_else_is_refused(films, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not empty and holds no frames of films"):
        extract_films(films, tmp_path, quiet=True)
    with pytest.raises(UsageError, match=r"out: .*mine.txt is a file"):
        extract_films(films, tmp_path / "mine.txt", quiet=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "films.json").write_text('{"settings": {}}')
    with pytest.raises(UsageError, match=r"films.json: damaged \('films'\); choose a new folder"):
        extract_films(films, tmp_path / "out", quiet=True)


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.mkv").write_text("no film")
    with pytest.raises(UsageError, match="films: none of 1 can be read .*a.mkv: not a readable film"):
        extract_films(tmp_path / "a.mkv", tmp_path / "out", quiet=True)


@pytest.mark.parametrize(
    ("title", "folder"),
    [
        ("Your Name", "your-name"),
        ("5 Centimeters per Second", "5-centimeters-per-second"),
        ("君の名は。", "君の名は"),
        ("../../etc", "etc"),
        ("...", "film"),
        ("a" * 300, "a" * 60),
    ],
)
def test_folders_are_named_by_letters_and_digits(title, folder):
    assert slug(title) == folder

"""Reading frame lists, and matching their titles to files."""

from pathlib import Path

import pytest

from drujax.data.films.frame_list import find_films, match_titles, read_frame_list
from drujax.errors import UsageError


def test_frames_are_sorted_and_counted_once(tmp_path):
    file = tmp_path / "list.json"
    file.write_text('{"Your Name": [100, 1000, 20, 100], "君の名は。": []}', encoding="utf-8")
    assert read_frame_list(file) == {"Your Name": [20, 100, 1000], "君の名は。": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a frame list (Expecting"),
        (b"\xff\xfe\x00", "not a frame list ('utf-8' codec"),
        (b"[1, 2]", "must be a JSON object of titles"),
        (b"{}", "must be a JSON object of titles"),
        (b'{"A": 20}', "'A': must be a list of frame numbers, got 20"),
        (b'{"A": [20, "40"]}', "'A': a frame number must be a whole number >= 0, got \"40\""),
        (b'{"A": [20.5]}', "'A': a frame number must be a whole number >= 0, got 20.5"),
        (b'{"A": [-1]}', "'A': a frame number must be a whole number >= 0, got -1"),
        (b'{"A": [true]}', "'A': a frame number must be a whole number >= 0, got true"),
        (b'{"A": [1], "A": [2]}', "it has 'A' twice"),
        (b"[" * 100_000, "not a frame list"),
    ],
)
def test_a_corrupt_list_is_one_line(tmp_path, content, message):
    file = tmp_path / "list.json"
    file.write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_frame_list(file)
    assert message in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_titles_match_names_exactly_or_but_for_punctuation():
    files = [Path(name) for name in ("Your Name.mkv", "your_name.mp4", "someone's gaze.MKV", "君の名は。.mp4")]
    found, missing = match_titles(["Your Name", "Someones Gaze", "君の名は"], files)
    assert found == {"Your Name": files[0], "Someones Gaze": files[2], "君の名は": files[3]}
    assert missing == []


def test_no_file_has_two_titles():
    file = Path("B-B.mkv")
    assert match_titles(["b b", "B-B"], [file]) == (
        {"B-B": file},
        ["b b: no film of this title. Did you mean B-B.mkv? Then rename it."],
    )


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Cross Raod", "Cross Raod: no film of this title. Did you mean Cross Road.mkv? Then rename it."),
        ("Cross", "Cross: no film of this title. Did you mean Cross Road.mkv? Then rename it."),
        ("Akira", "Akira: no film of this title"),
        ("!?", "!?: no film of this title"),
        ("Twice", "Twice: several files have this title: Twice.mkv, Twice.mp4"),
    ],
)
def test_titles_without_a_film(title, line):
    files = [Path("Cross Road.mkv"), Path("Twice.mkv"), Path("Twice.mp4"), Path("...mp4")]
    assert match_titles([title], files) == ({}, [line])


def test_films_are_found_by_suffix(tmp_path):
    for name in ("b.mkv", "a/c.MP4", "notes.txt", ".hidden.mp4", ".trash/d.mp4", "folder.mp4/e.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_films(tmp_path)]
    assert found == ["a/c.MP4", "b.mkv", "folder.mp4/e.webm"]
    assert find_films(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(UsageError, match="films: folder not found"):
        find_films(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"films: no films in .*empty \(.*\.mkv"):
        find_films(tmp_path / "empty")

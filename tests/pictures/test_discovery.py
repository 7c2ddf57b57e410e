"""Files that inputs expand to; skipped files in a folder are always reported."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.discovery import Skipped, expand, find_pictures, pictures_of
from drujax.pictures.io import read_picture
from tests.support.folders import close, touch


def found(folder: Path, skipped: Skipped | None = None, **options) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_pictures(folder, skipped=skipped, **options)]


def test_pictures_are_found_in_subfolders_and_sorted(tmp_path):
    touch(tmp_path, "b.png", "a/c.JPG", "a/notes.txt", ".thumbnails/d.png", ".drujax-12.tmp", "e.webp")
    (tmp_path / "folder.png").mkdir()
    assert found(tmp_path) == ["a/c.JPG", "b.png", "e.webp"]
    assert found(tmp_path, recursive=False) == ["b.png", "e.webp"]


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPEG", ".tga", ".avif", ".apng", ".dib"])
def test_less_common_suffixes_are_read(tmp_path, suffix):
    pixels = np.full((8, 8, 3), 90, np.uint8)
    format = {".jfif": "JPEG", ".jpe": "JPEG", ".apng": "PNG", ".dib": "BMP"}.get(suffix)
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", format=format)
    assert found(tmp_path) == [f"a{suffix}"]
    assert np.abs(read_picture(tmp_path / f"a{suffix}").rgb.astype(int) - 90).max() <= 3


def test_everything_skipped_is_summarised_in_one_line(tmp_path):
    touch(tmp_path, "a.png", "b.exr", "c.exr", "d.EXR", "e.psd", "f.hdr", "film.mkv", "notes.txt", "README")
    touch(tmp_path, ".hidden.png", ".cache/x.png", ".gitignore", "Thumbs.db", ".drujax-12.tmp")
    os.mkfifo(tmp_path / "pipe.png")
    skipped = Skipped()
    assert found(tmp_path, skipped) == ["a.png"]
    assert str(skipped) == (
        "10 files and 1 folder skipped: 1 folder, 1 .png (hidden), 1 without suffix, 1 .txt (not pictures), "
        "3 .exr, 1 .psd, 1 .hdr (convert to PNG or JPEG first), 1 .mkv (video: only enhance takes it, by name), "
        "1 .png (not regular files)"
    )
    assert not skipped.failures
    one = Skipped()
    one.add("x/a.heic", "convert to PNG or JPEG first")
    one.add("x/a.heic", "another reason")
    assert str(one) == "1 file skipped: 1 .heic (convert to PNG or JPEG first)"


def test_many_kinds_of_files_are_summarised(tmp_path):
    touch(tmp_path, "a.png", *(f"{n}.x{n}" for n in range(9)))
    skipped = Skipped()
    found(tmp_path, skipped)
    assert str(skipped) == "9 files skipped: 1 .x0, 1 .x1, 1 .x2, 1 .x3, 1 .x4, 4 others (not pictures)"


def test_links_to_files_and_folders_are_followed(tmp_path):
    touch(tmp_path, "in/a.png", "elsewhere/b.png", "elsewhere/deep/c.png")
    (tmp_path / "in/link.png").symlink_to("a.png")
    (tmp_path / "in/away").symlink_to("../elsewhere")
    (tmp_path / "in/gone.png").symlink_to("nothing.png")  # reading it will say so
    skipped = Skipped()
    assert found(tmp_path / "in", skipped) == ["a.png", "away/b.png", "away/deep/c.png", "gone.png", "link.png"]
    assert len(skipped) == 0
    (tmp_path / "door").symlink_to("in")
    assert found(tmp_path / "door")[0] == "a.png"


@pytest.mark.parametrize("target", [".", "..", "../..", "../in/deep", "itself"])
def test_circular_links_end(tmp_path, target):
    touch(tmp_path, "above/in/deep/a.png", "above/b.png", "c.png")
    folder = tmp_path / "above" / "in"
    (folder / "itself").symlink_to(target)
    skipped = Skipped()
    assert found(folder, skipped) == ["deep/a.png"]
    expected = {
        "itself": "1 without suffix (not pictures)",
        "..": "1 folder (linked, but above this folder)",
        "../..": "1 folder (linked, but above this folder)",
    }.get(target, "1 folder (linked, but searched already)")
    assert str(skipped).endswith(f"skipped: {expected}")


def test_two_folders_that_link_to_each_other(tmp_path):
    touch(tmp_path, "in/z/a.png", "b/b.png")
    (tmp_path / "in/again").symlink_to("z")  # sorts before z, which is nevertheless where its pictures are found
    (tmp_path / "in/z/to").symlink_to(tmp_path / "b")
    (tmp_path / "b/back").symlink_to(tmp_path / "in/z")
    skipped = Skipped()
    assert found(tmp_path / "in", skipped) == ["z/a.png", "z/to/b.png"]
    assert str(skipped) == "2 folders skipped: 2 folders (linked, but searched already)"


def test_a_folder_that_cannot_be_read_is_a_failure_and_the_others_are_searched(tmp_path, monkeypatch):
    touch(tmp_path, "a/a.png", "b/b.png", "c.png")
    close(monkeypatch, "a")
    skipped = Skipped()
    assert found(tmp_path, skipped) == ["b/b.png", "c.png"]
    assert list(skipped.failures) == [f"{tmp_path}/a"]
    for search in (lambda: find_pictures(tmp_path), lambda: find_pictures(tmp_path / "a", skipped=skipped)):
        with pytest.raises(PermissionError, match=r"Permission denied: '.*/a'"):
            search()


def test_a_folder_without_pictures_says_what_is_in_it(tmp_path):
    touch(tmp_path, "in/a.psd")
    with pytest.raises(
        UsageError, match=r"in: no pictures in this folder \(.png, .*\); 1 file skipped: 1 .psd \(convert"
    ):
        pictures_of(tmp_path / "in")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no pictures in this folder \(.png, .*.heif\).$"):
        pictures_of(tmp_path / "empty")


def test_patterns_that_the_shell_did_not_expand(tmp_path, monkeypatch):
    touch(tmp_path, "b.png", "a.png", "c.jpg", ".d.png", "deep/er/e.png", "x[1].png")
    monkeypatch.chdir(tmp_path)
    assert expand(["*.png"]) == [Path("a.png"), Path("b.png"), Path("x[1].png")]
    assert expand(["x[1].png"]) == [Path("x[1].png")]  # there is a file of this very name
    assert expand([tmp_path / "**" / "*.png"])[-2:] == [tmp_path / "deep/er/e.png", tmp_path / "x[1].png"]
    assert expand(["?.jpg", "deep"]) == [Path("c.jpg"), Path("deep")]
    with pytest.raises(UsageError, match=r"^\*.bmp: no file matches this pattern.$"):
        expand(["*.bmp"])


def test_a_tilde_that_the_shell_did_not_expand(tmp_path, monkeypatch):
    touch(tmp_path, "home/a.png")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert expand(["~/a.png", "~/*.png"]) == [tmp_path / "home/a.png"] * 2
    touch(tmp_path, "~/a.png")
    assert expand(["~/a.png"]) == [Path("~/a.png")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.png", "missing.png: no such file or folder."),
        ("-", "-: no such file or folder; pictures are read from files, not from standard input."),
        ("https://example.org/a.png", "a.png: no such file or folder; download the picture first."),
        ("gone.png", "gone.png: a link to a file or folder that does not exist."),
    ],
)
def test_inputs_that_do_not_exist(tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    Path("gone.png").symlink_to("nothing.png")
    with pytest.raises(UsageError) as raised:
        expand([given])
    assert str(raised.value).endswith(message)

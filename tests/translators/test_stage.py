"""Folders of photographs become folders of pictures, whatever interrupts the work."""

import json

import numpy as np
import pytest
from PIL import Image

from drujax.data.sources import from_folders
from drujax.errors import UsageError
from drujax.translators import stage
from drujax.translators.stage import translate_photos
from tests.support.killed import Point, run_until
from tests.support.tiny_translator import save_tiny_translator


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_tiny_translator(tmp_path_factory.mktemp("weights") / "a.npz")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Eleven photographs of two working sizes, in two folders."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "sea").mkdir()
    rng = np.random.default_rng(0)
    for index in range(11):
        size = (18, 30) if index % 3 else (16, 20)
        path = folder / ("sea" if index > 7 else "") / f"{index:02}.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(stage, "WINDOW", 4)


def translate(source, out, weights, **options):
    return translate_photos(source, out, weights=weights, quiet=True, **options)


def size(path):
    with Image.open(path) as picture:
        return picture.size


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(source, weights, tmp_path_factory):
    """The result of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "WINDOW", 4)
        summary = translate(source, out, weights)
    assert (summary.translated, summary.kept, summary.failures) == (11, 0, ())
    return out


def test_each_photograph_becomes_a_picture_of_its_size(source, whole):
    photos = {path.relative_to(source) for path in source.rglob("*.png")}
    assert {path.relative_to(whole) for path in whole.rglob("*.png")} == photos
    for path in photos:
        with Image.open(source / path) as photo, Image.open(whole / path) as picture:
            assert picture.size == photo.size
            assert picture.mode == "RGB"
            assert np.abs(np.asarray(picture).astype(int) - np.asarray(photo)).mean() > 5


def test_a_rerun_keeps_everything(source, whole, weights):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    summary = translate(source, whole, weights)
    assert (summary.translated, summary.kept) == (0, 11)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


@pytest.mark.parametrize("lost", [["00.png"], ["03.png", "sea/09.png", "05.png"]])
def test_lost_pictures_are_made_again_with_equal_bytes(source, whole, weights, lost, tmp_path):
    expected = content(whole)
    for name in lost:
        (whole / name).unlink()
    assert translate(source, whole, weights).translated == len(lost)
    assert content(whole) == expected


def test_a_killed_run_is_continued_with_equal_bytes(source, whole, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "WINDOW", 32)
    out = tmp_path / "out"
    arguments = ("photos", f"--source={source}", f"--weights={weights}", f"--out={out}")
    run_until(Point("os:replace", "05.png"), "experiments.prepare", *arguments)
    left = content(out)
    assert "00.png" in left
    assert len(left) < 13
    assert not [name for name in left if name.endswith(".png") and not size(out / name)]
    summary = translate(source, out, weights)
    assert summary.kept + summary.translated == 11
    fresh = tmp_path / "fresh"
    translate(source, fresh, weights)
    after, expected = ({n: b for n, b in content(folder).items() if n.endswith(".png")} for folder in (out, fresh))
    assert {name: after[name] for name in expected} == expected


def test_bad_photographs_are_reported_and_skipped(tmp_path, weights):
    source = tmp_path / "source"
    source.mkdir()
    (source / "bad.jpg").write_text("no photograph")
    rgb = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(source / "good.png")
    Image.fromarray(rgb).save(source / "cut.png")
    (source / "cut.png").write_bytes((source / "cut.png").read_bytes()[:400])
    for kept in (0, 1):
        summary = translate(source, tmp_path / "out", weights)
        assert (summary.translated, summary.kept) == (1 - kept, kept)
        bad, cut = summary.failures
        assert bad.startswith(f"{source / 'bad.jpg'}: not a picture of a known kind")
        assert cut.startswith(f"{source / 'cut.png'}: ")
    assert "skipped as unreadable: 2" in str(summary)


def test_photographs_are_upright_and_opaque_and_of_eight_bits(tmp_path, weights):
    source = tmp_path / "source"
    source.mkdir()
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(source / "turned.png", exif=exif)
    Image.fromarray(np.dstack([rgb, rgb[..., 0]])).save(source / "alpha.png")
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(source / "deep.png")
    assert translate(source, tmp_path / "out", weights).translated == 3
    sizes = {path.name: size(path) for path in (tmp_path / "out").glob("*.png")}
    assert sizes == {"turned.png": (16, 24), "alpha.png": (24, 16), "deep.png": (24, 16)}


def test_large_photographs_are_reduced(tmp_path, weights):
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (150, 100), (200, 90, 10)).save(source / "large.png")
    Image.new("RGB", (60, 70), (200, 90, 10)).save(source / "small.png")
    translate(source, tmp_path / "out", weights, limit_size=64)
    assert size(tmp_path / "out" / "large.png") == (96, 64)
    assert size(tmp_path / "out" / "small.png") == (60, 70)
    with pytest.raises(UsageError, match="limit_size: must be >= 64, got 63"):
        translate(source, tmp_path / "other", weights, limit_size=63)


def test_the_settings_are_recorded_and_bind(source, whole, weights, tmp_path):
    settings = json.loads((whole / "translation.json").read_text())
    assert settings["translator"] == "cartoongan"
    assert settings["source"] == str(source)
    assert len(settings["weights sha256"]) == 64
    with pytest.raises(UsageError, match="out: .* was made with limit size 1024; choose another folder"):
        translate(source, whole, weights, limit_size=512)
    other = save_tiny_translator(tmp_path / "b.npz", seed=1)
    with pytest.raises(UsageError, match="was made with weights sha256"):
        translate(source, whole, other)


def test_folders_that_would_be_mixed_are_refused(source, weights, tmp_path):
    with pytest.raises(UsageError, match="lies in the source"):
        translate(source, source / "out", weights)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=f"out: {tmp_path} holds something else"):
        translate(source, tmp_path, weights)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "translation.json").write_text("{")
    with pytest.raises(UsageError, match=r"translation\.json: damaged"):
        translate(source, tmp_path / "out", weights)


def test_a_full_disk_stops_the_work(source, weights, tmp_path, monkeypatch):
    def full(path, picture):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(stage, "write_picture", full)
    with pytest.raises(OSError, match="No space left on device"):
        translate(source, tmp_path / "out", weights)


def test_the_result_is_a_source_of_the_dataset(whole):
    assert len(from_folders([whole])) == 11

"""Good and bad input files and targets; the network here inverts the picture."""

import dataclasses
import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.enhance import files
from drujax.enhance.files import Outcome, early_outcome, enhance_files
from drujax.enhance.plan import plan_jobs
from drujax.errors import UsageError
from drujax.pictures.io import read_picture
from drujax.pictures.picture import Picture


def negative(picture):
    return dataclasses.replace(picture, rgb=255 - picture.rgb)


def paint(*paths: Path, value: int = 10) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(path)


@pytest.fixture
def frames(tmp_path):
    paint(*(tmp_path / "frames" / name for name in ("b.png", "a.jpg", "deep/c.webp", "d.gif")))
    return tmp_path / "frames"


def carry_out(inputs: list[Path], output: Path | None, enhance=negative, **options) -> dict[str, Outcome]:
    """Returns outcomes by the names of their sources."""
    return {
        outcome.job.source.name: outcome for outcome in enhance_files(plan_jobs(inputs, output), enhance, **options)
    }


def statuses(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.status for name, outcome in outcomes.items()}


def test_a_folder_is_enhanced(tmp_path, frames):
    outcomes = carry_out([frames], tmp_path / "out")
    assert statuses(outcomes) == dict.fromkeys(["a.jpg", "b.png", "d.gif", "c.webp"], "enhanced")
    assert list(outcomes) == ["a.jpg", "b.png", "d.gif", "c.webp"]
    assert (read_picture(tmp_path / "out" / "deep" / "c.webp").rgb > 230).all()


# ----- one bad picture


def test_bad_pictures_are_reported_in_order_and_do_not_stop_the_others(tmp_path, frames):
    (frames / "b.png").write_text("no picture")
    paint(frames / "c.png", value=77)

    def enhance(picture):
        if picture.rgb[0, 0, 0] == 77:
            raise UsageError("out of memory")
        return negative(picture)

    outcomes = carry_out([frames], tmp_path / "out", enhance)
    assert list(outcomes) == ["a.jpg", "b.png", "c.png", "d.gif", "c.webp"]
    assert outcomes["b.png"].error.startswith(f"{frames}/b.png: not a picture of a known kind (PNG, JPEG")
    assert outcomes["c.png"].error == f"{frames}/c.png: out of memory"
    assert [name for name, status in statuses(outcomes).items() if status == "failed"] == ["b.png", "c.png"]
    written = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.jpg", "d.gif", "c.webp"}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "out of memory (try a smaller picture)"),
        (KeyError("x"), "internal error (KeyError: 'x'); please report it with the picture"),
        (OverflowError("a\nb"), "internal error (OverflowError: a b); please report it with the picture"),
        (PermissionError(13, "Permission denied"), "permission denied"),
    ],
)
@pytest.mark.parametrize("where", ["reading", "enhancing", "writing"])
def test_no_error_of_one_picture_stops_the_others(tmp_path, monkeypatch, error, line, where):
    paint(*(tmp_path / "in" / name for name in ("a.png", "c.png")), tmp_path / "in" / "b.png", value=10)
    paint(tmp_path / "in" / "b.png", value=77)

    def failing(function):
        def call(*arguments, **options):
            if any("b.png" in str(a) or (isinstance(a, Picture) and 77 in a.rgb) for a in arguments):
                raise error
            return function(*arguments, **options)

        return call

    if where != "enhancing":
        name = "read_picture" if where == "reading" else "write_picture"
        monkeypatch.setattr(files, name, failing(getattr(files, name)))
    enhance = failing(negative) if where == "enhancing" else negative
    outcomes = carry_out([tmp_path / "in"], tmp_path / "out", enhance)
    assert statuses(outcomes) == {"a.png": "enhanced", "b.png": "failed", "c.png": "enhanced"}
    assert outcomes["b.png"].error == f"{tmp_path}/in/b.png: {line}"
    assert outcomes["b.png"].cause is error


def test_dangling_and_circular_links_are_failures(tmp_path, frames):
    (frames / "gone.png").symlink_to("nothing.png")
    (frames / "self.png").symlink_to("self.png")
    outcomes = carry_out([frames], tmp_path / "out")
    assert outcomes["gone.png"].error == f"{frames}/gone.png: no such file or directory"
    assert "symbolic links" in outcomes["self.png"].error
    assert list(statuses(outcomes).values()).count("enhanced") == 4


def test_transparency_that_the_output_cannot_hold_is_reported(tmp_path):
    Image.fromarray(np.full((4, 4, 4), 9, np.uint8)).save(tmp_path / "clear.png")
    (outcome,) = enhance_files(plan_jobs([tmp_path / "clear.png"], tmp_path / "out.jpg"), negative)
    assert (
        outcome.error == f"{tmp_path}/out.jpg: JPEG cannot hold the picture's transparency; choose .png, .webp or .tif"
    )


# ----- one bad target


def test_a_name_that_is_too_long_with_the_suffix(tmp_path):
    long = "x" * 250 + ".png"
    paint(tmp_path / "in" / long, tmp_path / "in" / "a.png")
    outcomes = carry_out([tmp_path / "in"], None)
    assert statuses(outcomes) == {long: "failed", "a.png": "enhanced"}
    assert "file name too long (try a shorter --suffix, or -o FOLDER)" in outcomes[long].error
    assert statuses(carry_out([tmp_path / "in"], tmp_path / "out"))[long] == "enhanced"


def test_a_folder_in_the_way_of_a_file(tmp_path, frames):
    (tmp_path / "out" / "b.png").mkdir(parents=True)
    for overwrite in (False, True):
        outcomes = carry_out([frames], tmp_path / "out", overwrite=overwrite)
        assert outcomes.pop("b.png").error == f"{tmp_path}/out/b.png: a folder of this name is in the way"
        assert "failed" not in statuses(outcomes).values()


def test_a_write_protected_result_is_kept(tmp_path, frames, monkeypatch):
    target = tmp_path / "out" / "b.png"
    paint(target, value=99)
    before, access = target.read_bytes(), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != target and access(path, mode))  # root may write
    outcomes = carry_out([frames], tmp_path / "out", overwrite=True)
    assert outcomes["b.png"].error == f"{target}: this file is write-protected"
    assert list(statuses(outcomes).values()).count("enhanced") == 3
    assert target.read_bytes() == before


def test_a_file_in_the_way_of_a_folder(tmp_path, frames):
    paint(frames / "deep" / "er" / "e.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_text("a file")
    outcomes = carry_out([frames], tmp_path / "out")
    assert [name for name, status in statuses(outcomes).items() if status == "failed"] == ["c.webp", "e.png"]
    assert outcomes["e.png"].error == f"{tmp_path}/out/deep: a file is in the way of a folder"
    assert (tmp_path / "out" / "deep").read_text() == "a file"


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_folder_that_cannot_be_written(tmp_path, frames, monkeypatch, seen_before):
    (tmp_path / "out" / "deep").mkdir(parents=True)
    enhanced = []
    access, mkdir = os.access, Path.mkdir

    def refuse(path, mode):  # as the system does to anybody but root
        return not str(path).endswith("deep") and access(path, mode)

    def cannot_make(self, *arguments, **options):
        if self.name == "deep":
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *arguments, **options)

    if seen_before:
        monkeypatch.setattr(os, "access", refuse)
    else:
        monkeypatch.setattr(Path, "mkdir", cannot_make)
    outcomes = carry_out([frames], tmp_path / "out", lambda picture: enhanced.append(1) or negative(picture))
    assert outcomes.pop("c.webp").error == f"{tmp_path}/out/deep: permission denied"
    assert set(statuses(outcomes).values()) == {"enhanced"}
    assert len(enhanced) == (3 if seen_before else 4)  # no work for what cannot be written


def test_a_gif_and_a_png_of_the_same_name_get_different_results(tmp_path):
    paint(tmp_path / "in" / "a.gif", value=10)
    paint(tmp_path / "in" / "a.png", value=90)
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", format="png")
    assert [outcome.status for outcome in enhance_files(jobs, negative)] == ["enhanced"] * 2
    assert read_picture(tmp_path / "out" / "a.png").rgb[0, 0, 0] == 165
    assert read_picture(tmp_path / "out" / "a.gif.png").rgb[0, 0, 0] == 245


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_the_run(tmp_path, frames, monkeypatch, number):
    def full(path, content, **options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "write_picture", full)
    with pytest.raises(OSError, match=os.strerror(number)):
        carry_out([frames], tmp_path / "out")


def test_leftovers_that_cannot_be_removed_are_ignored(tmp_path, frames, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(files, "remove_leftovers", refuse)
    assert set(statuses(carry_out([frames], tmp_path / "out")).values()) == {"enhanced"}


# ----- results that exist, and pictures that stay as they are


def test_existing_results_are_kept_without_overwrite(tmp_path, frames):
    jobs = plan_jobs([frames], tmp_path / "out")
    list(enhance_files(jobs[:2], negative))
    (tmp_path / "out" / "a.jpg").write_bytes(b"kept")
    (frames / "a.jpg").write_bytes(b"not even read")
    assert statuses(carry_out([frames], tmp_path / "out")) == {
        "a.jpg": "exists",
        "b.png": "exists",
        "d.gif": "enhanced",
        "c.webp": "enhanced",
    }
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"kept"
    paint(frames / "a.jpg")
    assert set(statuses(carry_out([frames], tmp_path / "out", overwrite=True)).values()) == {"enhanced"}
    assert read_picture(tmp_path / "out" / "a.jpg").rgb.mean() > 200


def test_early_outcomes_equal_the_final_ones(tmp_path, frames):
    (tmp_path / "out" / "b.png").mkdir(parents=True)
    paint(tmp_path / "out" / "a.jpg")
    jobs = plan_jobs([frames], tmp_path / "out")
    expected = [early_outcome(job, overwrite=False) for job in jobs]
    assert [outcome and outcome.status for outcome in expected] == ["exists", "failed", None, None]
    assert not (tmp_path / "out" / "deep").exists()
    happened = list(enhance_files(jobs, negative))
    assert [outcome.error for outcome in happened] == [outcome and outcome.error for outcome in expected]


def test_unchanged_pictures_are_copied_or_converted(tmp_path, frames):
    outcomes = carry_out([frames], tmp_path / "out", lambda picture: picture)
    assert set(statuses(outcomes).values()) == {"unchanged"}
    for name in ("a.jpg", "b.png", "d.gif", "deep/c.webp"):
        assert (tmp_path / "out" / name).read_bytes() == (frames / name).read_bytes()
    jobs = plan_jobs([frames / "d.gif"], tmp_path / "out" / "d.png")
    assert [outcome.status for outcome in enhance_files(jobs, lambda picture: picture)] == ["unchanged"]
    assert read_picture(tmp_path / "out" / "d.png").format == "PNG"


def test_unchanged_pictures_are_copied_by_their_content_and_not_by_their_name(tmp_path):
    paint(tmp_path / "a.png", tmp_path / "b.jpg")
    (tmp_path / "a.png").rename(tmp_path / "really_png.jpg")
    (tmp_path / "b.jpg").rename(tmp_path / "really_jpeg.png")
    list(enhance_files(plan_jobs([tmp_path / "really_png.jpg"], tmp_path / "c.jpg"), lambda picture: picture))
    assert read_picture(tmp_path / "c.jpg").format == "JPEG"
    list(enhance_files(plan_jobs([tmp_path / "really_jpeg.png"], tmp_path / "d.jpg"), lambda picture: picture))
    assert (tmp_path / "d.jpg").read_bytes() == (tmp_path / "really_jpeg.png").read_bytes()


def test_the_quality_is_chosen(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "a.jpg", quality=90)
    Image.fromarray(pixels).save(tmp_path / "in" / "b.webp", lossless=True)
    sizes = {}
    for name, enhance in (("changed", negative), ("unchanged", lambda picture: picture)):
        for quality in (None, 20, 100):
            out = tmp_path / f"{name}{quality}"
            list(enhance_files(plan_jobs([tmp_path / "in"], out), enhance, quality=quality))
            for path in out.iterdir():
                sizes[name, path.suffix, quality] = path.stat().st_size
    for name in ("changed", "unchanged"):
        assert sizes[name, ".jpg", 20] < sizes[name, ".jpg", None] / 2
        assert sizes[name, ".webp", 20] < sizes[name, ".webp", None] / 2
    assert sizes["changed", ".jpg", 100] > sizes["changed", ".jpg", None]


def test_reading_stays_a_few_pictures_ahead(tmp_path, monkeypatch):
    paint(*(tmp_path / "in" / f"{i:02}.png" for i in range(30)))
    read, lock = [], threading.Lock()

    def reading(path):
        with lock:
            read.append(path)
        return read_picture(path)

    monkeypatch.setattr("drujax.enhance.files.read_picture", reading)
    outcomes = enhance_files(plan_jobs([tmp_path / "in"], tmp_path / "out"), negative)
    next(outcomes)
    assert len(read) <= 8
    outcomes.close()
    assert len(list((tmp_path / "out").iterdir())) <= 8

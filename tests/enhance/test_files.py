"""Which output belongs to which input, and what becomes of good and bad files; the network is a negative here."""

import dataclasses
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.enhance.files import Job, enhance_files, plan
from drujax.errors import UsageError
from drujax.pictures.io import read_picture


def negative(picture):
    return dataclasses.replace(picture, rgb=255 - picture.rgb)


def paint(*paths: Path, value: int = 10) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(path)


def pairs(jobs: list[Job], root: Path) -> dict[str, str]:
    return {str(job.source.relative_to(root)): str(job.target.relative_to(root)) for job in jobs}


@pytest.fixture
def frames(tmp_path):
    paint(*(tmp_path / "frames" / name for name in ("b.png", "a.jpg", "deep/c.webp", "d.gif")))
    return tmp_path / "frames"


def test_a_folder_is_mirrored_in_the_output_folder(tmp_path, frames):
    jobs = plan([frames], tmp_path / "out")
    assert pairs(jobs, tmp_path) == {
        "frames/a.jpg": "out/a.jpg",
        "frames/b.png": "out/b.png",
        "frames/d.gif": "out/d.png",
        "frames/deep/c.webp": "out/deep/c.webp",
    }
    assert all(outcome.error is None for outcome in enhance_files(jobs, negative))
    assert (read_picture(tmp_path / "out" / "deep" / "c.webp").rgb > 230).all()


def test_without_output_results_lie_beside_and_are_not_taken_for_inputs(tmp_path, frames):
    first = plan([frames])
    assert pairs(first, frames)["deep/c.webp"] == "deep/c_enhanced.webp"
    assert pairs(first, frames)["d.gif"] == "d_enhanced.png"
    list(enhance_files(first, negative))
    paint(frames / "sun_enhanced.png")  # no result of ours: there is no sun.png
    assert pairs(plan([frames]), frames) == pairs(first, frames) | {"sun_enhanced.png": "sun_enhanced_enhanced.png"}


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("out.png", "out.png"),
        ("out.jpg", "out.jpg"),
        ("new", "new/b.png"),
        ("v1.2/", "v1.2/b.png"),
        ("frames", None),
        ("frames/deep", "frames/deep/b.png"),
    ],
)
def test_one_file_goes_to_a_file_or_into_a_folder(tmp_path, frames, output, target):
    output = f"{tmp_path}/{output}"
    if target is None:
        with pytest.raises(UsageError, match=r"-o: .*b.png would overwrite the input"):
            plan([frames / "b.png"], output)
    else:
        assert pairs(plan([frames / "b.png"], output), tmp_path) == {"frames/b.png": target}


def test_several_inputs_need_a_folder_and_different_names(tmp_path, frames):
    paint(tmp_path / "other" / "b.png", tmp_path / "out.png")
    jobs = plan([frames / "a.jpg", frames / "b.png"], tmp_path / "out")
    assert pairs(jobs, tmp_path) == {"frames/a.jpg": "out/a.jpg", "frames/b.png": "out/b.png"}
    with pytest.raises(UsageError, match=r"-o: .*frames/b.png and .*other/b.png would both be written to .*out/b.png"):
        plan([frames, tmp_path / "other"], tmp_path / "out")
    for inputs in ([frames], [frames / "a.jpg", frames / "b.png"]):
        with pytest.raises(UsageError, match=r"-o: .*out.png is a file, but several pictures need a folder"):
            plan(inputs, tmp_path / "out.png")


def test_an_input_is_never_overwritten(tmp_path, frames):
    os.symlink(frames, tmp_path / "link")
    for output in (frames, tmp_path / "link"):
        with pytest.raises(UsageError, match=r"would overwrite the input .*frames/a.jpg; choose another output"):
            plan([frames], output)
    with pytest.raises(UsageError, match=r"would overwrite the input"):
        plan([frames / "a.jpg", frames / "b.png"], frames)


def test_an_output_folder_inside_the_input_is_not_read(tmp_path, frames):
    jobs = plan([frames], frames / "out")
    list(enhance_files(jobs, negative))
    assert pairs(plan([frames], frames / "out"), frames) == pairs(jobs, frames)
    (tmp_path / "nothing").mkdir()
    (frames / "out").rename(tmp_path / "nothing" / "out")
    with pytest.raises(UsageError, match=r"nothing: no pictures in this folder but those of the output"):
        plan([tmp_path / "nothing"], tmp_path / "nothing" / "out")


def test_inputs_that_are_none(tmp_path, frames):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no pictures in this folder \(.png, .jpg"):
        plan([tmp_path / "empty"])
    with pytest.raises(UsageError, match=r"missing.png: no such file or folder"):
        plan([tmp_path / "missing.png"])
    with pytest.raises(UsageError, match=r"out.xyz: cannot write a picture with suffix '.xyz'. Choices: .png"):
        plan([frames / "a.jpg"], tmp_path / "out.xyz")


def test_bad_pictures_are_told_in_order_and_the_others_done(tmp_path, frames):
    (frames / "b.png").write_text("no picture")
    paint(frames / "c.png", value=77)

    def enhance(picture):
        if picture.rgb[0, 0, 0] == 77:
            raise UsageError("too little memory")
        return negative(picture)

    outcomes = list(enhance_files(plan([frames], tmp_path / "out"), enhance))
    assert [outcome.job.source.name for outcome in outcomes] == ["a.jpg", "b.png", "c.png", "d.gif", "c.webp"]
    errors = [outcome.error for outcome in outcomes]
    assert errors[1] == f"{frames}/b.png: not a picture of a known kind (PNG, JPEG, WEBP, TIFF, BMP, GIF, AVIF, TGA)"
    assert errors[2] == f"{frames}/c.png: too little memory"
    assert errors[0] is errors[3] is errors[4] is None
    written = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.jpg", "d.png", "c.webp"}


def test_transparency_that_the_output_cannot_hold_is_told(tmp_path):
    Image.fromarray(np.full((4, 4, 4), 9, np.uint8)).save(tmp_path / "clear.png")
    (outcome,) = enhance_files(plan([tmp_path / "clear.png"], tmp_path / "out.jpg"), negative)
    assert (
        outcome.error == f"{tmp_path}/out.jpg: JPEG cannot hold the picture's transparency; choose .png, .webp or .tif"
    )


def test_results_that_are_there_can_be_skipped(tmp_path, frames):
    jobs = plan([frames], tmp_path / "out")
    list(enhance_files(jobs[:2], negative))
    (tmp_path / "out" / "a.jpg").write_bytes(b"kept")
    outcomes = list(enhance_files(jobs, negative, skip_existing=True))
    assert [outcome.skipped for outcome in outcomes] == [True, True, False, False]
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"kept"
    assert (tmp_path / "out" / "d.png").exists()


def test_reading_stays_a_few_pictures_ahead(tmp_path, monkeypatch):
    paint(*(tmp_path / "in" / f"{i:02}.png" for i in range(30)))
    read, lock = [], threading.Lock()

    def reading(path):
        with lock:
            read.append(path)
        return read_picture(path)

    monkeypatch.setattr("drujax.enhance.files.read_picture", reading)
    outcomes = enhance_files(plan([tmp_path / "in"], tmp_path / "out"), negative)
    next(outcomes)
    assert len(read) <= 8
    outcomes.close()
    assert len(list((tmp_path / "out").iterdir())) <= 8

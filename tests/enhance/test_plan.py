"""Output names, and which inputs are skipped."""

import os
from pathlib import Path

import pytest

from drujax.enhance.plan import Job, plan_jobs
from drujax.errors import UsageError
from drujax.pictures.discovery import Skipped
from tests.support.folders import close, touch


def pairs(jobs: list[Job], root: Path) -> dict[str, str]:
    return {str(job.source.relative_to(root)): str(job.target.relative_to(root)) for job in jobs}


@pytest.fixture
def frames(tmp_path):
    touch(tmp_path / "frames", "b.png", "a.jpg", "deep/c.webp", "d.gif")
    return tmp_path / "frames"


# ----- names


def test_a_folder_is_mirrored_in_the_output_folder(tmp_path, frames):
    assert pairs(plan_jobs([frames], tmp_path / "out"), tmp_path) == {
        "frames/a.jpg": "out/a.jpg",
        "frames/b.png": "out/b.png",
        "frames/d.gif": "out/d.gif",
        "frames/deep/c.webp": "out/deep/c.webp",
    }
    assert "frames/deep/c.webp" not in pairs(plan_jobs([frames], tmp_path / "out", recursive=False), tmp_path)


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
        with pytest.raises(UsageError, match=r"^-o: .*b.png would overwrite the input .*; choose another output.$"):
            plan_jobs([frames / "b.png"], output)
    else:
        assert pairs(plan_jobs([frames / "b.png"], output), tmp_path) == {"frames/b.png": target}


def test_several_files_are_written_directly_into_the_folder(tmp_path, frames):
    jobs = plan_jobs([frames / "a.jpg", frames / "b.png"], tmp_path / "out")
    assert pairs(jobs, tmp_path) == {"frames/a.jpg": "out/a.jpg", "frames/b.png": "out/b.png"}


def test_several_folders_become_subfolders(tmp_path):
    touch(tmp_path, "ep1/a.png", "ep1/deep/b.png", "ep2/a.png")
    assert pairs(plan_jobs([tmp_path / "ep1", f"{tmp_path}/ep2/"], tmp_path / "out"), tmp_path) == {
        "ep1/a.png": "out/ep1/a.png",
        "ep1/deep/b.png": "out/ep1/deep/b.png",
        "ep2/a.png": "out/ep2/a.png",
    }


def test_folders_of_the_same_name_become_distinct_subfolders(tmp_path, monkeypatch):
    touch(tmp_path, "s1/ep1/a.png", "s2/ep1/a.png", "s2/ep2/b.png")
    jobs = plan_jobs([tmp_path / "s1/ep1", tmp_path / "s2/ep1", tmp_path / "s2/ep2"], tmp_path / "out")
    assert list(pairs(jobs, tmp_path).values()) == ["out/s1/ep1/a.png", "out/s2/ep1/a.png", "out/s2/ep2/b.png"]
    monkeypatch.chdir(tmp_path / "s1/ep1")
    jobs = plan_jobs([".", "../../s2/ep1"], tmp_path / "out")
    assert [str(job.target.relative_to(tmp_path)) for job in jobs] == ["out/s1/ep1/a.png", "out/s2/ep1/a.png"]


def test_files_of_the_same_name_go_into_distinct_subfolders(tmp_path):
    touch(tmp_path, "in/ep1/a.png", "in/ep2/a.png", "in/ep2/b.png")
    inputs = [tmp_path / "in" / name for name in ("ep1/a.png", "ep2/a.png", "ep2/b.png")]
    jobs = plan_jobs(inputs, tmp_path / "out")
    assert list(pairs(jobs, tmp_path).values()) == ["out/ep1/a.png", "out/ep2/a.png", "out/ep2/b.png"]


def test_a_file_and_a_folder_of_the_same_name_do_not_stop_the_others(tmp_path, frames):
    touch(tmp_path, "other/b.png")
    jobs = plan_jobs([frames, tmp_path / "other/b.png"], tmp_path / "out")
    errors = [job.error for job in jobs if job.error is not None]
    assert len(jobs) == 5
    assert errors == [
        f"-o: {frames}/b.png and {tmp_path}/other/b.png would both be written to {tmp_path}/out/b.png; "
        "enhance them separately."
    ]


@pytest.mark.parametrize("output", [True, False])
def test_a_gif_next_to_a_png_of_the_same_name_keeps_its_suffix(tmp_path, output):
    touch(tmp_path / "in", "a.gif", "a.png", "a.tga", "b.gif")
    mark, place = ("", "out") if output else ("_enhanced", "in")
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out" if output else None, format="png")
    assert pairs(jobs, tmp_path) == {
        "in/a.gif": f"{place}/a.gif{mark}.png",
        "in/a.png": f"{place}/a{mark}.png",
        "in/a.tga": f"{place}/a.tga{mark}.png",
        "in/b.gif": f"{place}/b{mark}.png",
    }
    assert [job.note for job in jobs][1::2] == [None, None]
    assert jobs[0].note == (
        f"{tmp_path}/in/a.gif becomes {tmp_path}/{place}/a.gif{mark}.png, "
        f"because {tmp_path}/{place}/a{mark}.png is the result of {tmp_path}/in/a.png"
    )


def test_the_format_is_chosen(tmp_path, frames):
    touch(frames, "b.JPG", "e.jfif")
    names = pairs(plan_jobs([frames], tmp_path / "out", format="jpg"), frames.parent)
    assert names == {
        "frames/a.jpg": "out/a.jpg",
        "frames/b.JPG": "out/b.JPG",  # JPEG already: the name stays
        "frames/b.png": "out/b.jpg",
        "frames/d.gif": "out/d.jpg",
        "frames/deep/c.webp": "out/deep/c.jpg",
        "frames/e.jfif": "out/e.jfif",
    }
    assert pairs(plan_jobs([frames / "d.gif"], format="webp"), frames) == {"d.gif": "d_enhanced.webp"}
    assert pairs(plan_jobs([frames / "b.png"], f"{frames}/o.jpeg", format="jpg"), frames) == {"b.png": "o.jpeg"}
    with pytest.raises(UsageError, match=r"^--format: png contradicts -o .*/o.jpg; give one of them.$"):
        plan_jobs([frames / "b.png"], frames / "o.jpg", format="png")


def test_the_suffix_is_chosen(tmp_path, frames):
    assert pairs(plan_jobs([frames / "b.png"], suffix="-bright"), frames) == {"b.png": "b-bright.png"}
    assert pairs(plan_jobs([frames / "b.png"], f"{frames}/o/", suffix="-bright"), frames) == {"b.png": "o/b-bright.png"}
    assert pairs(plan_jobs([frames / "b.png"], suffix="", format="webp"), frames) == {"b.png": "b.webp"}
    for given, message in (
        ("", r"^--suffix: .*b.png would overwrite the input"),
        ("x/y", r"^--suffix: 'x/y' must not contain a path separator; -o names a folder.$"),
        (".jpg", r"^--suffix: .jpg is a file type; --format=jpg chooses it.$"),
    ):
        with pytest.raises(UsageError, match=message):
            plan_jobs([frames / "b.png"], suffix=given)
    with pytest.raises(UsageError, match=r"^--suffix: -o .*o.png is the whole name already; give one of them.$"):
        plan_jobs([frames / "b.png"], frames / "o.png", suffix="-bright")


def test_an_input_without_suffix_becomes_png(tmp_path):
    touch(tmp_path, "photo", "page.xyz")
    assert pairs(plan_jobs([tmp_path / "photo"]), tmp_path) == {"photo": "photo_enhanced.png"}
    assert pairs(plan_jobs([tmp_path / "photo", tmp_path / "page.xyz"], tmp_path / "out"), tmp_path) == {
        "photo": "out/photo.png",
        "page.xyz": "out/page.png",
    }


def test_a_tilde_in_the_output_is_expanded(frames, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert pairs(plan_jobs([frames / "b.png"], "~/out/"), tmp_path) == {"frames/b.png": "out/b.png"}


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["frames"], "out.png", r"-o: .*out.png is a file, but several pictures need a folder"),
        (["frames/a.jpg", "frames/b.png"], "out.png", r"-o: .*out.png is a file, but several pictures need a folder"),
        (["frames"], "new.png", r"-o: .*new.png names one file, but several pictures need a folder"),
        (
            ["frames/a.jpg"],
            "out.xyz",
            r"-o: .*out.xyz: cannot write a picture with suffix '.xyz'. Choices: .png",
        ),
        (["missing.png"], None, r"missing.png: no such file or folder"),
        (["empty"], None, r"empty: no pictures in this folder \(.png, .jpg"),
        ([], None, r"INPUT: give at least one picture or folder"),
    ],
)
def test_mistakes(tmp_path, frames, inputs, output, message):
    touch(tmp_path, "out.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        plan_jobs([tmp_path / name for name in inputs], None if output is None else tmp_path / output)


# ----- inputs


def test_an_input_is_never_overwritten(tmp_path, frames):
    os.symlink(frames, tmp_path / "link")
    for output in (frames, tmp_path / "link"):
        with pytest.raises(UsageError, match=r"frames/a.jpg; choose another output. \(and 3 more\)$"):
            plan_jobs([frames], output)
    with pytest.raises(UsageError, match=r"would overwrite the input"):
        plan_jobs([frames / "a.jpg", frames / "b.png"], frames)


def test_one_input_that_would_be_overwritten_does_not_stop_the_others(tmp_path):
    touch(tmp_path, "in/a.png", "in/b/a.png", "in/b/c.png")
    jobs = plan_jobs([tmp_path / "in/b"], tmp_path / "in")  # in/b/a.png -> in/a.png, which is no input
    assert [job.error for job in jobs] == [None, None]
    jobs = plan_jobs([tmp_path / "in/a.png", tmp_path / "in/b/c.png"], tmp_path / "in")
    assert [job.error is None for job in jobs] == [False, True]


def test_an_output_above_the_input(tmp_path, monkeypatch):
    touch(tmp_path, "a/b/x.png", "a/b/deep/y.png")
    assert pairs(plan_jobs([tmp_path / "a/b"], tmp_path / "a"), tmp_path) == {
        "a/b/x.png": "a/x.png",
        "a/b/deep/y.png": "a/deep/y.png",
    }
    monkeypatch.chdir(tmp_path / "a")
    assert {str(job.target) for job in plan_jobs(["b"], ".")} == {"x.png", "deep/y.png"}
    assert {str(job.target) for job in plan_jobs([tmp_path / "a/b"], "..")} == {"../x.png", "../deep/y.png"}


def test_an_output_folder_inside_the_input_is_skipped(tmp_path, frames):
    jobs = plan_jobs([frames], frames / "out")
    touch(frames, "out/a.jpg", "out/b.png")
    skipped = Skipped()
    assert pairs(plan_jobs([frames], frames / "out", skipped=skipped), frames) == pairs(jobs, frames)
    assert str(skipped) == "2 files skipped: 1 .jpg, 1 .png (in the output folder)"
    for path in jobs:
        path.source.unlink()
    with pytest.raises(
        UsageError, match=r"^INPUT: no pictures to enhance: 2 files skipped: 1 .jpg, 1 .png \(in the output folder\)$"
    ):
        plan_jobs([frames], frames / "out")


def test_an_output_folder_among_the_inputs_is_skipped(tmp_path):
    """As when `drujax enhance * -o out` runs a second time."""
    touch(tmp_path, "a.png", "in/b.png", "out/a.png")
    skipped = Skipped()
    jobs = plan_jobs([tmp_path / "a.png", tmp_path / "in", tmp_path / "out"], tmp_path / "out", skipped=skipped)
    assert pairs(jobs, tmp_path) == {"a.png": "out/a.png", "in/b.png": "out/b.png"}
    assert str(skipped) == "1 folder skipped: 1 folder (the output folder)"


@pytest.mark.parametrize("whole_folder", [True, False])
@pytest.mark.parametrize(
    ("options", "result"),
    [({}, "b_enhanced.png"), ({"suffix": "-x"}, "b-x.png"), ({"suffix": "-x"}, "b_enhanced.png")],
)
def test_results_of_an_earlier_run_are_not_taken_for_inputs(frames, whole_folder, options, result):
    touch(frames, result, "a_enhanced.png", "sun_enhanced.png", "d.gif_enhanced.png")
    inputs = [frames] if whole_folder else sorted(path for path in frames.iterdir() if path.is_file())
    skipped = Skipped()
    jobs = plan_jobs(inputs, skipped=skipped, **options)
    sources = {job.source.name for job in jobs} - {"c.webp"}
    assert sources == {"a.jpg", "b.png", "d.gif", "sun_enhanced.png"}  # there is no sun.png
    assert str(skipped) == "3 files skipped: 3 .png (results of an earlier run)"
    assert pairs(plan_jobs([frames / result]), frames) == {result: f"{Path(result).stem}_enhanced.png"}


def test_a_picture_given_twice_is_enhanced_once(tmp_path, frames, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for inputs in (
        ["frames/b.png", "frames/b.png"],
        ["frames/b.png", frames / "b.png"],
        ["frames/b.png", "./frames/../frames/b.png"],
    ):
        skipped = Skipped()
        jobs = plan_jobs(inputs, "out.png", skipped=skipped)
        assert [str(job.target) for job in jobs] == ["out.png"]
        assert str(skipped) == "1 file skipped: 1 .png (given twice)"
    skipped = Skipped()
    jobs = plan_jobs(["frames", "frames/", "frames/b.png", "frames/deep"], "out", skipped=skipped)
    assert len(jobs) == 4
    assert "given twice" in str(skipped)


def test_a_link_and_its_picture_both_get_a_result(tmp_path, frames):
    (frames / "link.png").symlink_to("b.png")
    targets = pairs(plan_jobs([frames], tmp_path / "out"), tmp_path)
    assert targets["frames/link.png"] == "out/link.png"
    assert targets["frames/b.png"] == "out/b.png"


def test_an_input_without_pictures_does_not_stop_the_others(tmp_path, frames, monkeypatch):
    touch(tmp_path, "empty/notes.txt", "closed/a.png")
    close(monkeypatch, "closed")
    skipped = Skipped()
    jobs = plan_jobs([tmp_path / "empty", frames, tmp_path / "closed"], tmp_path / "out", skipped=skipped)
    assert {job.target.relative_to(tmp_path).parts[:2] for job in jobs} == {("out", "frames")}
    assert list(skipped.failures) == [f"{tmp_path}/empty", f"{tmp_path}/closed"]
    with pytest.raises(UsageError, match=r"^INPUT: no pictures to enhance: .*empty: no pictures.*permission denied"):
        plan_jobs([tmp_path / "empty", tmp_path / "closed"], tmp_path / "out")


def test_files_that_are_not_read_do_not_stop_the_others(tmp_path, frames):
    touch(frames, "x.psd", "film.mkv")
    jobs = plan_jobs([frames / "x.psd", frames / "b.png", frames / "film.mkv"], tmp_path / "out")
    assert [job.error for job in jobs] == [
        f"{frames}/x.psd: .psd is not read; convert to PNG or JPEG first.",
        None,
        None,
    ]
    with pytest.raises(UsageError, match=r"x.psd: .psd is not read; convert to PNG or JPEG first.$"):
        plan_jobs([frames / "x.psd"])

"""How much, where and when `drujax enhance` enhances: exposure, masks, pipes, watched folders, contact sheets."""

import contextlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from drujax import cli
from drujax.data.scenes import paint
from drujax.enhance.contact_sheet import WIDTH, ContactSheet
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.plan import Job
from drujax.enhance.strength import check_exposure
from drujax.enhance.watch import watched
from drujax.errors import UsageError
from drujax.pictures import codec
from drujax.pictures.color import luma
from drujax.pictures.grid import label
from drujax.pictures.io import read_picture
from drujax.pictures.picture import Picture
from tests.support.picture_files import exif

pytestmark = pytest.mark.usefixtures("command")
SIZE = (40, 60)


@pytest.fixture
def dark(tmp_path):
    path = tmp_path / "dark.png"
    Image.fromarray((paint(3, 1, SIZE) // 5).astype(np.uint8)).save(path)
    return path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def mean_luma(rgb):
    return float(luma(rgb.astype(np.float32)).mean())


# ----- exposure


@pytest.mark.parametrize("guided", [True, False])
def test_an_exposure_is_met_where_strengths_reach_it(model, dark, guided):
    enhancer, rgb = Enhancer(model, guided=guided), read_picture(dark).rgb
    lightest = mean_luma(enhancer(rgb, 1.5))
    target = (mean_luma(rgb) + lightest) / 2
    assert mean_luma(enhancer(rgb, exposure=target)) == pytest.approx(target, abs=2)
    np.testing.assert_array_equal(enhancer(rgb, exposure=255.0), enhancer(rgb, 1.5))
    np.testing.assert_array_equal(enhancer(rgb, exposure=0.0), rgb)
    assert enhancer(np.stack([rgb, rgb // 2]), exposure=target).shape == (2, *rgb.shape)


def test_beyond_full_strength_lights_are_lighter_and_do_not_clip(model):
    rgb = np.linspace(0, 250, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    enhancer = Enhancer(model)
    full, more = enhancer(rgb, 1.0).astype(int), enhancer(rgb, 1.5).astype(int)
    assert (more >= full).all()
    assert more.mean() > full.mean() + 1
    assert (more == 255).sum() <= (full == 255).sum()


@pytest.mark.parametrize("wrong", [-1, 256, float("nan"), "bright", True])
def test_mistakes_in_exposures(wrong):
    with pytest.raises(UsageError, match=r"^exposure: must be a mean luma in 0..255, got"):
        check_exposure(wrong, "auto")


def test_an_exposure_and_a_strength_contradict(model, dark):
    with pytest.raises(UsageError, match="^exposure: determines the strength, which is given, too; give one of them$"):
        Enhancer(model)(read_picture(dark).rgb, 1.0, exposure=100.0)


def test_the_option_exposure(model, dark, tmp_path, capsys):
    assert run("enhance", dark, "-o", tmp_path / "out.png", "--model", model, "--exposure=60") == 0
    expected = Enhancer(model)(read_picture(dark).rgb, exposure=60.0)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").rgb, expected)
    assert run("enhance", dark, "-o", tmp_path / "same.png", "--model", model, "--exposure=1") == 0
    assert capsys.readouterr().out.endswith("same.png: 1 unchanged\n")
    assert run("enhance", dark, "--model", model, "--exposure=x") == 2
    assert "--exposure: 'x' is neither a number nor auto" in capsys.readouterr().err


# ----- masks


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_mask_says_where(model, dark, guided, dtype):
    levels = read_picture(dark).rgb
    rgb = {np.uint8: levels, np.uint16: levels.astype(np.uint16) * 257, np.float32: levels / np.float32(255)}[dtype]
    enhancer = Enhancer(model, guided=guided)
    mask = np.zeros(SIZE)
    mask[:, 30:] = 1
    mask[:10] = 0.5
    found, whole = enhancer(rgb, 1.0, mask=mask), enhancer(rgb, 1.0)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[10:, :30], rgb[10:, :30])
    step = 0 if dtype == np.float32 else 1
    np.testing.assert_allclose(found[10:, 30:].astype(float), whole[10:, 30:].astype(float), atol=1e-6)
    half = (rgb[:10].astype(float) + whole[:10]) / 2
    np.testing.assert_allclose(found[:10].astype(float), half, atol=step or 1e-6)


def test_a_mask_of_another_size_is_resized(model, dark):
    rgb = read_picture(dark).rgb
    mask = np.zeros((80, 120))
    mask[:, 60:] = 1
    found = Enhancer(model)(rgb, 1.0, mask=mask)
    np.testing.assert_array_equal(found[:, :24], rgb[:, :24])
    np.testing.assert_array_equal(found[:, 36:], Enhancer(model)(rgb, 1.0)[:, 36:])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((40, 90)), "^mask: 90x40 pixels are of another shape than 60x40$"),
        (np.ones((40, 60, 3)), r"^mask: must be an array \(h, w\) in 0..1, got float64 \(40, 60, 3\)$"),
        (np.full(SIZE, 255), "^mask: has values outside 0..1$"),
        (np.full(SIZE, np.nan), "^mask: has values outside 0..1$"),
        ("mask.png", r"^mask: must be an array \(h, w\) in 0..1, got"),
    ],
)
def test_mistakes_in_masks(model, dark, mask, message):
    with pytest.raises(UsageError, match=message):
        Enhancer(model)(read_picture(dark).rgb, 1.0, mask=mask)


def test_the_option_mask(model, dark, tmp_path, capsys):
    """White is enhanced; black and transparent are not."""
    mask = np.full((*SIZE, 4), 255, np.uint8)
    mask[:, :20, :3] = 0
    mask[:, 20:40, 3] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    command = ["enhance", dark, "--model", model, "--strength=1"]
    assert run(*command, "-o", tmp_path / "out.png", "--mask", tmp_path / "mask.png") == 0
    rgb, found = read_picture(dark).rgb, read_picture(tmp_path / "out.png").rgb
    np.testing.assert_array_equal(found[:, :40], rgb[:, :40])
    np.testing.assert_array_equal(found[:, 40:], Enhancer(model)(rgb, 1.0)[:, 40:])


def test_a_bad_mask_is_a_line_with_the_option_and_the_file(model, dark, tmp_path, capsys):
    path = tmp_path / "mask.png"

    def error(*inputs):
        assert run("enhance", *inputs, "--model", model, "-o", f"{tmp_path}/out/", "--mask", path) != 0
        return [line for line in capsys.readouterr().err.splitlines() if "mask" in line]

    assert error(dark) == [f"drujax: error: --mask: {path}: no such file or directory"]
    path.write_text("no picture")
    assert error(dark)[0].startswith(f"drujax: error: --mask: {path}: not a picture of a known kind")
    Image.new("L", (90, 40), 255).save(path)
    shape = f"--mask: {path}: 90x40 pixels are of another shape than 60x40"
    assert error(dark) == [f"drujax: error: {dark}: {shape}"]
    moving = tmp_path / "moving.gif"
    Image.open(dark).save(moving, save_all=True, append_images=[Image.new("RGB", SIZE[::-1])])
    assert error(dark, moving) == [f"failed: {dark}: {shape}", f"failed: {moving}: {shape}"]


# ----- standard input and output


def piped(monkeypatch, content):
    """Connects standard input and output to bytes; returns those of the output."""
    written = io.BytesIO()
    monkeypatch.setattr("drujax.enhance.standard_streams.sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    out = SimpleNamespace(buffer=written, isatty=lambda: False, write=lambda text: None, flush=lambda: None)
    monkeypatch.setattr("drujax.enhance.standard_streams.sys.stdout", out)
    return written


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_a_picture_through_a_pipe_is_that_of_a_file(model, dark, tmp_path, suffix):
    source = tmp_path / f"source.{suffix}"
    Image.open(dark).save(source)
    assert run("enhance", source, "-o", tmp_path / f"file.{suffix}", "--model", model) == 0
    command = [sys.executable, "-m", "drujax", "enhance", "-", "--model", str(model)]
    done = subprocess.run(command, input=source.read_bytes(), capture_output=True, check=True)
    assert done.stdout == (tmp_path / f"file.{suffix}").read_bytes()
    assert done.stderr == b""


def test_a_file_to_standard_output_and_standard_input_to_a_file(model, dark, tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        written = piped(context, dark.read_bytes())
        assert run("enhance", dark, "-o", "-", "--format=jpg", "--model", model) == 0
    assert Image.open(written).format == "JPEG"
    with monkeypatch.context() as context:
        written = piped(context, dark.read_bytes())
        assert run("enhance", "-", "-o", tmp_path / "out.png", "--model", model) == 0
    assert not written.getvalue()
    expected = Enhancer(model)(read_picture(dark).rgb)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").rgb, expected)


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["-"], []),
        (["-", "-q"], []),
        (["-", "-v"], ["enhanced: standard input -> standard output"]),
        (["{dark}", "-o", "-", "-v", "--suffix=_b"], ["enhanced: {dark} -> standard output"]),
        (["-", "--format=bmp"], ["standard output: written without EXIF"]),
        (["-", "-n"], ["standard input -> standard output", "standard output: 1 would be enhanced"]),
        (["-", "-n", "-v"], ["standard input -> standard output", "standard output: 1 would be enhanced"]),
        (["-", "-n", "--format=jpg"], ["standard input -> standard output", "standard output: 1 would be enhanced"]),
        (["{dark}", "-o", "-", "-n"], ["{dark} -> standard output", "standard output: 1 would be enhanced"]),
        (["-", "-n", "-q"], []),
    ],
)
def test_standard_output_holds_the_picture_alone(model, dark, monkeypatch, capsys, arguments, lines):
    file = io.BytesIO()
    Image.open(dark).save(file, "PNG", exif=exif({0x0131: (2, b"program\0")}))
    printed = []
    with monkeypatch.context() as context:
        written = piped(context, file.getvalue())
        context.setattr("drujax.enhance.standard_streams.sys.stdout.write", printed.append)
        assert run("enhance", *[word.format(dark=dark) for word in arguments], "--model", model) == 0
    assert printed == []
    assert capsys.readouterr().err.splitlines() == [line.format(dark=dark) for line in lines]
    content = written.getvalue()
    assert (content == b"") if "-n" in arguments else codec.decode(content).rgb.mean() > read_picture(dark).rgb.mean()


def test_standard_input_to_a_file_is_named_in_lines(model, dark, tmp_path, monkeypatch, capsys):
    target = tmp_path / "out.png"
    with monkeypatch.context() as context:
        context.setattr(
            "drujax.enhance.standard_streams.sys.stdin", SimpleNamespace(buffer=io.BytesIO(dark.read_bytes()))
        )
        assert run("enhance", "-", "-n", "-o", target, "--model", model) == 0
    assert capsys.readouterr().out == f"standard input -> {target}\n{target}: 1 would be enhanced\n"
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", ["-"], "error: standard input: empty; give a picture: drujax enhance - < dark.png > bright.png"),
        (b"text", ["-"], "error: standard input: not a picture of a known kind"),
        (b"", ["-", "{dark}"], "error: -: standard input and output take one picture"),
        (b"", ["{folder}", "-o", "-"], "error: -: standard input and output take one picture"),
    ],
)
def test_mistakes_with_pipes(model, dark, monkeypatch, capsys, content, arguments, message):
    with monkeypatch.context() as context:
        piped(context, content)
        words = [word.format(dark=dark, folder=dark.parent) for word in arguments]
        assert run("enhance", *words, "--model", model) == 2
    assert message in capsys.readouterr().err


def test_a_terminal_is_not_written_to(model, dark, monkeypatch, capsys):
    with monkeypatch.context() as context:
        piped(context, b"")
        context.setattr("drujax.enhance.standard_streams.sys.stdout.isatty", lambda: True)
        assert run("enhance", dark, "-o", "-", "--model", model) == 2
    assert "error: -o -: standard output is a terminal; redirect it, or give -o FILE" in capsys.readouterr().err


# ----- watched folders


class Looks:
    """Changes the folder between the looks, and ends after the last."""

    def __init__(self, *changes):
        self._changes = list(changes)

    def __call__(self):
        if not self._changes:
            raise KeyboardInterrupt
        self._changes.pop(0)()


def touch(path, content, at):
    path.write_text(content)
    os.utime(path, (at, at))


def look(folder, *changes):
    """The names of the pictures that were due at each look; their results are written at time 100."""
    due = []

    def plan():
        return [Job(path, path.with_suffix(".out")) for path in sorted(folder.glob("*.png"))]

    with contextlib.suppress(KeyboardInterrupt):
        for jobs in watched(plan, Looks(*changes)):
            due.append([job.source.name for job in jobs])
            for job in jobs:
                touch(job.target, "result", 100)
    return due


def test_pictures_are_due_when_they_appear_or_change(tmp_path):
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    found = look(
        tmp_path,
        lambda: touch(a, "half", 50),
        lambda: touch(a, "whole", 50),  # still being written
        lambda: None,
        lambda: touch(b, "b", 60),
        lambda: touch(a, "again", 150),
        lambda: None,
        lambda: None,
    )
    assert found == [["a.png"], ["b.png"], ["a.png"]]


def test_pictures_with_a_newer_result_are_not_due_and_gone_ones_no_error(tmp_path):
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    touch(a, "a", 50)
    touch(a.with_suffix(".out"), "result", 60)
    touch(b, "b", 50)
    assert look(tmp_path, lambda: b.unlink(), lambda: None, lambda: None) == []


def test_one_that_failed_is_due_again_when_it_changes(tmp_path):
    a, due = tmp_path / "a.png", []
    changes = Looks(lambda: touch(a, "bad", 50), lambda: None, lambda: None, lambda: touch(a, "good", 51), lambda: None)
    with contextlib.suppress(KeyboardInterrupt):
        for jobs in watched(lambda: [Job(a, tmp_path / "out.png")] if a.exists() else [], changes):
            due.append(jobs[0].source.read_text())
    assert due == ["bad", "good"]


def test_the_option_watch(model, dark, monkeypatch, capsys):
    folder = dark.parent / "watched"
    folder.mkdir()

    def moved():
        dark.rename(folder / "dark.png")

    looks = Looks(moved, lambda: None, lambda: None)
    monkeypatch.setattr("drujax.enhance.watch.time.sleep", lambda seconds: looks())
    assert run("enhance", folder, "--watch", "--model", model) == 130
    assert f"enhanced: {folder}/dark_enhanced.png" in capsys.readouterr().out
    assert run("enhance", folder / "dark.png", "--watch", "--model", model) == 2
    assert "--watch: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch", "--dry-run"], "--watch and --dry-run: give one of them"),
        (["--watch", "--skip-existing"], "--watch and --skip-existing: give one of them"),
        (["--watch", "--contact-sheet=s.png"], "--contact-sheet: is written at the end, which --watch has not"),
        (["--contact-sheet=s.psd"], "s.psd: cannot write a picture with suffix '.psd'"),
        (["--jobs=0"], "must be a whole number of at least 1, got '0'"),
        (["--crf=20"], "--crf: applies to films only, and there are none among the inputs"),
        (["--preview=10s", "--dry-run"], "--preview: applies to films only"),
        (["--quality=50"], "--quality: applies to lossy formats only, not to PNG; --format=jpg chooses one"),
        (["--mask=dark.png", "-o", "dark.png", "--overwrite"], "-o: dark.png would overwrite the input"),
        (["--mask=mask.png", "-o", "mask.png", "--overwrite"], "-o: mask.png would overwrite the input mask.png"),
        (["--contact-sheet=dark.png", "--overwrite"], "--contact-sheet: dark.png would overwrite the input"),
        (["--contact-sheet=s.png", "--mask=s.png", "--overwrite"], "s.png would overwrite the input s.png"),
        (["--contact-sheet=s.png", "-o", "s.png"], "--contact-sheet: s.png would overwrite the result s.png"),
        (["--contact-sheet=mask.png"], "--contact-sheet: mask.png exists; --overwrite replaces it, --skip-existing"),
        (["--contact-sheet=folder.png"], "folder.png: a folder of this name is in the way"),
    ],
)
def test_options_that_contradict(model, dark, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(dark.parent)
    (dark.parent / "mask.png").write_bytes(dark.read_bytes())
    (dark.parent / "folder.png").mkdir()
    before = contents(dark.parent)
    assert run("enhance", dark, "--model", model, *arguments) == 2
    assert message in capsys.readouterr().err
    assert contents(dark.parent) == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("flag", ["--format=png", "--quality=50", "--contact-sheet=s.png"])
def test_options_of_pictures_are_refused_where_there_are_only_films(model, tmp_path, capsys, flag):
    (tmp_path / "film.mkv").write_bytes(b"film")
    assert run("enhance", tmp_path / "film.mkv", "--model", model, flag) == 2
    assert f"{flag.partition('=')[0]}: applies to pictures only" in capsys.readouterr().err


def test_watched_folders_take_no_options_of_films_and_mistakes_come_first(tmp_path, dark, capsys):
    assert run("enhance", tmp_path, "--watch", "--crf=20", "--model=/nowhere") == 2
    assert "--crf: applies to films only, which are not taken from folders" in capsys.readouterr().err
    assert run("enhance", dark, "--watch", "--model=/nowhere") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"drujax: error: --watch: {dark} is not a folder\n"


# ----- contact sheets


def test_a_contact_sheet_has_each_picture_before_and_after(model, dark, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(dark.read_bytes())
    sheet = tmp_path / "sheet.png"
    command = ["enhance", folder, "-o", tmp_path / "out", "--model", model, "--jobs=3", "--strength=1"]
    assert run(*command, "--contact-sheet", sheet) == 0
    pixels = read_picture(sheet).rgb
    assert pixels.shape[1] == 2 * WIDTH + 8
    before, after = pixels[100:200, :WIDTH], pixels[100:200, WIDTH + 4 : 2 * WIDTH + 4]
    assert mean_luma(after) > mean_luma(before) + 10


def test_a_contact_sheet_that_exists_is_kept_or_replaced_and_its_folder_is_made(model, dark, tmp_path, capsys):
    sheet = tmp_path / "new" / "sheet.png"
    command = ["enhance", dark, "--model", model, "--contact-sheet", sheet]
    assert run(*command) == 0
    sheet.write_bytes(b"mine")
    assert run(*command, "--skip-existing") == 0
    assert sheet.read_bytes() == b"mine"
    assert f"{sheet}: exists, and is kept" in capsys.readouterr().err
    assert run(*command, "--overwrite") == 0
    assert read_picture(sheet).rgb.shape[2] == 3


def test_small_copies_of_any_kind_of_picture(tmp_path):
    grey = Picture(np.full((700, 50, 3), 90, np.uint8), alpha=np.zeros((700, 50), np.uint8))
    deep = Picture(np.full((30, 900, 3), 30000, np.uint16))
    sheet = ContactSheet()
    sheet.add("tall and transparent", grey, grey)
    sheet.add("wide", deep, deep)
    sheet.write(tmp_path / "sheet.png")
    pixels = read_picture(tmp_path / "sheet.png").rgb
    assert (pixels[100:1200, 10:300] == 255).all()
    assert (np.abs(pixels.astype(int) - round(30000 / 257)) <= 1).all(-1).any()


def test_names_in_any_script_are_legible_and_fit():
    """Of letters that a font lacks, all look alike."""
    if np.asarray(label("ä", 90)).min() == 255:
        pytest.skip("there are no fonts on this machine")
    assert label("ä", 90) != label("ö", 90)
    assert label("ä\nö", 90) == label("ä?ö", 90)
    assert label("\udce4 <b>ä</b> & ö", 300).size == label("a", 300).size
    pixels = np.asarray(label("夜" * 200, 90))
    assert pixels.shape[1] == 90
    assert pixels[:, :2].min() == 255


def test_an_empty_sheet_is_not_written(tmp_path):
    ContactSheet().write(tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


# ----- completion


def test_bash_completes_commands_options_and_choices(tmp_path, capsys):
    assert run("completion", "bash") == 0
    (tmp_path / "complete.bash").write_text(capsys.readouterr().out)
    for words, expected in (
        ("drujax enh", "enhance"),
        ("drujax enhance --contact", "--contact-sheet"),
        ("drujax enhance a.png --rounding flo", "floor"),
    ):
        script = (
            f"source {tmp_path}/complete.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
            '_tyro_drujax; echo "${COMPREPLY[*]}"'
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_zsh_has_a_script_and_other_shells_are_refused(capsys):
    assert run("completion", "zsh") == 0
    assert "#compdef drujax" in capsys.readouterr().out
    assert run("completion", "fish") == 2
    assert "'fish'" in capsys.readouterr().err

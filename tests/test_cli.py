"""The command `drujax`, run in this process except where the process itself is tested."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drujax
from drujax import cli
from drujax.data.qab import HIGH, LOW
from drujax.enhance.command import Enhance
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.loading import resolve
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.pictures.inputs import MAX_PIXELS
from drujax.pictures.io import read_picture
from drujax.runtime.version import __version__
from drujax.weights import safetensors_io
from drujax.weights.torch_names import to_torch
from tests.support.folders import close
from tests.support.killed import Point, run_until
from tests.support.tiny_model import save_tiny_model

pytestmark = pytest.mark.usefixtures("command")
RANDOM = np.random.default_rng(2)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def one_line(capsys) -> str:
    """Returns the text on stderr, which must be exactly one line."""
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1, captured
    return captured.rstrip("\n")


@pytest.fixture
def frames(tmp_path):
    (tmp_path / "frames").mkdir()
    for name, level in (("a.png", 20), ("b.jpg", 200), ("c.png", 100)):
        pixels = RANDOM.integers(level - 20, level + 20, (9, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "frames" / name)
    return tmp_path / "frames"


def test_the_result_of_one_picture_is_written_next_to_it(frames, model, capsys):
    assert run("enhance", frames / "a.png", "--model", model) == 0
    assert capsys.readouterr().out == f"{frames}/a_enhanced.png: 1 enhanced\n"
    result = read_picture(frames / "a_enhanced.png").rgb
    assert np.array_equal(result, Enhancer(model)(read_picture(frames / "a.png").rgb))


def test_a_folder_with_a_bad_picture(frames, model, tmp_path, capsys):
    (frames / "bad.png").write_text("no picture")
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--strength", "0.5") == 1
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path}/out: 3 enhanced, 1 failed\n"
    assert captured.err.count(f"failed: {frames}/bad.png: not a picture of a known kind") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    half = Enhancer(model)(read_picture(frames / "c.png").rgb, strength=0.5)
    assert np.array_equal(read_picture(tmp_path / "out" / "c.png").rgb, half)

    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--skip-existing") == 1
    assert capsys.readouterr().out == f"{tmp_path}/out: 3 existing, 1 failed\n"
    assert np.array_equal(read_picture(tmp_path / "out" / "c.png").rgb, half)


def test_a_bright_picture_is_unchanged(frames, model, tmp_path, capsys):
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model) == 0
    captured = f"{tmp_path}/out: 2 enhanced, 1 already bright (--strength=1 enhances them, too)\n"
    assert capsys.readouterr().out == captured
    assert (tmp_path / "out" / "b.jpg").read_bytes() == (frames / "b.jpg").read_bytes()


def test_a_run_folder_is_accepted_as_model(frames, model, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights.safetensors").write_bytes(model.read_bytes())
    assert run("enhance", frames / "a.png", "--model", tmp_path / "run") == 0


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "dru-slim", "vanilla-slim"])
def test_models_that_ship_with_the_package_are_found(name):
    path = resolve(name)
    assert path.is_relative_to(Path(drujax.__file__).parent)
    assert safetensors_io.read_metadata(path)["network"] == "enlightengan"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["enhnce", "a.png"], r"command: unknown value 'enhnce'. Did you mean enhance\? Choices: enhance, score, sort"),
        (["enhance"], r"INPUT: give at least one picture or folder"),
        (["enhance", "missing.png"], r"missing.png: no such file or folder"),
        (["enhance", "{a}", "--stength=1"], r"error: unknown option: --stength=1. Did you mean --strength\?$"),
        (
            ["enhance", "{a}", "--strength=2", "--model={model}"],
            r"error: --strength: must be a number in 0..1.5 or 'auto', got 2",
        ),
        (
            ["enhance", "{a}", "{b}", "--strength=-0.1", "--model={model}"],
            r"error: --strength: must be a number in 0..1.5 or .auto., got -0.1$",
        ),
        (["enhance", "{a}", "--strength=x"], r"--strength: 'x' is neither a number nor auto"),
        (["enhance", "{a}", "--model=dru-vitb16"], r"--model: unknown value 'dru-vitb16'. Did you mean dru-vit-b16\?"),
        (["enhance", "{a}", "--model={a}"], r"--model: must be a .safetensors file, got \S+a.png"),
        (["enhance", "{a}", "--model=x/y.safetensors"], r"x/y.safetensors"),
        (
            ["enhance", "{a}", "--max-pixels=100", "--model={model}"],
            r"a.png: too large \(126 pixels; the limit is 100, raise it with --max-pixels\)",
        ),
        (["enhance", "{a}", "--max-pixels=0"], r"--max-pixels: must be >= 1, got 0"),
        (["enhance", "{a}", "-o", "{a}"], r"would overwrite the input"),
        (["sort", "{a}", "--format=xml"], r"--format: unknown value 'xml'"),
        (["models", "more"], r"error: unexpected argument: more. See --help.$"),
        (["completion", "fish"], r"error: SHELL: unknown value 'fish'. Choices: bash, zsh.$"),
        (["completion"], r"error: missing: \{bash,zsh\} \(The shell: bash or zsh.\)$"),
        (["export"], r"error: missing: -o PATH, --output PATH \(The file to write: .*\)$"),
        (["sort", "{a}", "--low=200"], r"low: must be <= high \(150\), got 200"),
        (["sort", "{a}", "--low=nan"], r"low: must be <= high \(150\), got nan"),
        (["sort"], r"INPUT: give at least one picture or folder"),
        (["convert", "x.pth", "--model", "enlightengan", "-o", "y.safetensors"], r"x.pth"),
        (["convert", "{a}", "--model", "enlightengn", "-o", "y.safetensors"], r"Did you mean enlightengan\?"),
        (["convert", "{a}", "--model", "enlightengan"], r"--output"),
        (["convert", "{a}", "--model=zero-dce-pp", "-o=y.safetensors", "--option=corp=1"], r"Did you mean crop\?"),
        (
            ["convert", "{a}", "--model=zero-dce-pp", "-o=y.safetensors", "--option=crop=1"],
            r"--option: crop must be of type bool, got '1'",
        ),
        (
            ["convert", "{a}", "--model=zero-dce-pp", "-o=y.safetensors", "--option=ratio=0"],
            r"ratio: must be >= 1, got 0",
        ),
        (
            ["convert", "{a}", "--model=clip-lit", "-o=y.safetensors", "--option=padding=zeroes"],
            r"Did you mean zeros\?",
        ),
        (
            ["convert", "{a}", "--model=clip-lit", "-o=y.safetensors", "--option=epsilon=nan"],
            r"epsilon: must be >= 0 and finite, got nan",
        ),
        (["enhance", "{a}", "--rounding=up"], r"--rounding: unknown value 'up'"),
        (["enhance", "{a}", "--strength=nan"], r"--strength: must be a number in 0..1.5 or 'auto', got nan$"),
        (["enhance", "{a}", "--quality=0"], r"--quality: must be a whole number from 1 to 100, got '0'"),
        (["enhance", "{a}", "--quality=best"], r"--quality: must be a whole number from 1 to 100, got 'best'"),
        (
            ["enhance", "{a}", "--format=psd"],
            r"--format: unknown value 'psd'. (Did you mean .*)?Choices: same, png, jpg, ",
        ),
        (["enhance", "{a}", "--suffix=.jpg"], r"--suffix: .jpg is a file type; --format=jpg chooses it"),
        (["enhance", "{a}", "--overwrite", "--skip-existing"], r"--overwrite and --skip-existing: give one of them"),
        (["enhance", "{a}", "-q", "-v"], r"--quiet and --verbose: give one of them"),
        (["enhance", "{a}", "--device=npu"], r"--device: unknown value 'npu'"),
        (["enhance", "{a}", "--device=tpu", "--model={model}"], r"--device: JAX has no tpu here, only .*drujax\[tpu\]"),
        (["score", "{a}", "--device=tpu"], r"--device: JAX has no tpu here"),
        (["enhance", "*.nothing"], r"\*.nothing: no file matches this pattern"),
        (["enhance", ""], r"'': an empty argument names no file; the current folder is \.$"),
        (["enhance", "{a}", "-o", ""], r"-o: must not be empty; the current folder is \.$"),
        (["enhance", "{a}", "--overwrite=true"], r"--overwrite: takes no value, got 'true'$"),
        (["enhance", "{a}", "--max-pixels=1e6"], r"error: --max-pixels: must be a whole number, got '1e6'$"),
        (["enhance", "{a}", "-o"], r"Missing value for argument '-o/--output'"),
        (["{a}"], r"command: missing before .*a.png. Try: drujax enhance .*a.png$"),
    ],
)
def test_a_users_mistake_is_one_line(frames, model, arguments, message, capsys):
    filled = [argument.format(a=frames / "a.png", b=frames / "b.jpg", model=model) for argument in arguments]
    assert run(*filled) == 2
    captured = one_line(capsys)
    assert captured.startswith("drujax: error: ")
    assert re.search(message, captured), captured
    assert sorted(path.name for path in frames.iterdir()) == ["a.png", "b.jpg", "c.png"]


def test_a_file_whose_name_begins_with_a_dash(frames, model, capsys, monkeypatch):
    (frames / "a.png").rename(frames / "-a.png")
    monkeypatch.chdir(frames)
    assert run("enhance", "-a.png", "--model", model) == 2
    assert one_line(capsys) == "drujax: error: unknown option: -a.png. The file of this name is ./-a.png"
    assert run("enhance", "./-a.png", "--model", model) == 0
    assert run("enhance", "--model", model, "--overwrite", "--", "-a.png") == 0


def test_sort_prints_class_and_means(frames, capsys):
    assert run("sort", frames, "--format=json") == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert [(Path(row["image"]).name, row["partition"]) for row in rows] == [
        ("a.png", "dark"),
        ("b.jpg", "bright"),
        ("c.png", "uncertain"),
    ]
    assert all(len(row["quartile_means"]) == 4 and set(row) <= {*row, "mean_luma"} for row in rows)
    assert abs(rows[0]["mean_luma"] - 20) < 5

    assert run("sort", frames, "--format=csv", "--low=90", "--high=91") == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["partition"] for row in table] == ["dark", "bright", "bright"]

    (frames / "bad.png").write_text("no picture")
    assert run("sort", frames) == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 4
    assert f"failed: {frames}/bad.png: not a picture" in captured.err


def test_convert_writes_a_model_from_a_checkpoint(tmp_path, model, capsys):
    official = tmp_path / "official.safetensors"
    save_tiny_model(tmp_path, width=32).rename(official)
    variables, _ = safetensors_io.load_weights(official)
    np.savez(tmp_path / "theirs.npz", **to_torch(variables))
    out = tmp_path / "ours.safetensors"
    assert run("convert", tmp_path / "theirs.npz", "--model", "enlightengan", "-o", out, "--half") == 0
    assert capsys.readouterr().out.startswith(f"{out}: enlightengan (align_corners True")
    converted, _ = safetensors_io.load_weights(out)
    np.testing.assert_allclose(
        converted["params"]["conv1_1"]["kernel"], variables["params"]["conv1_1"]["kernel"], rtol=1e-3
    )
    option = "--option=align_corners=False"
    assert run("convert", tmp_path / "theirs.npz", "--model=enlightengan", "-o", out, option) == 0
    assert safetensors_io.read_metadata(out)["options"]["align_corners"] is False

    variables, _ = safetensors_io.load_weights(model)  # of another width
    np.savez(tmp_path / "theirs.npz", **to_torch(variables))
    assert run("convert", tmp_path / "theirs.npz", "--model", "enlightengan", "-o", tmp_path / "b.safetensors") == 2
    assert "wrong shape" in one_line(capsys)
    assert not (tmp_path / "b.safetensors").exists()


# ----- results that exist


def test_an_existing_result_is_replaced_only_on_request(frames, model, capsys):
    assert run("enhance", frames / "a.png", "--model", model) == 0
    result = (frames / "a_enhanced.png").read_bytes()
    (frames / "a_enhanced.png").write_bytes(b"mine")
    capsys.readouterr()
    assert run("enhance", frames / "a.png", "--model", model) == 2
    assert one_line(capsys) == (
        f"drujax: error: {frames}/a_enhanced.png: exists; --overwrite replaces it, --skip-existing accepts it"
    )
    assert run("enhance", frames / "a.png", "--model", model, "--skip-existing") == 0
    assert capsys.readouterr().out == f"{frames}/a_enhanced.png: 1 existing\n"
    assert (frames / "a_enhanced.png").read_bytes() == b"mine"
    assert run("enhance", frames / "a.png", "--model", model, "--overwrite") == 0
    assert (frames / "a_enhanced.png").read_bytes() == result


def test_the_same_command_twice(frames, model, capsys, monkeypatch):
    """As with `drujax enhance *`, where the second run has the results among its inputs."""
    monkeypatch.chdir(frames)
    assert run("enhance", *sorted(os.listdir()), "--model", model) == 0
    before = {path: path.read_bytes() for path in frames.iterdir()}
    capsys.readouterr()
    assert run("enhance", *sorted(os.listdir()), "--model", model) == 1
    captured = capsys.readouterr()
    assert captured.out == "next to the inputs: 3 existing (--overwrite replaces them)\n"
    assert captured.err == "3 files skipped: 2 .png, 1 .jpg (results of an earlier run)\n"
    Path("d.png").write_bytes(Path("a.png").read_bytes())
    assert run("enhance", "*", "--model", model, "--skip-existing") == 0  # a pattern that the shell left alone
    assert capsys.readouterr().out == "next to the inputs: 1 enhanced, 3 existing\n"
    assert {path: path.read_bytes() for path in before} == before


# ----- options


def test_dry_run_prints_what_would_be_done_and_needs_no_model(frames, tmp_path, capsys):
    (tmp_path / "out" / "c.png").mkdir(parents=True)
    Image.new("RGB", (3, 3)).save(tmp_path / "out" / "a.png")
    assert run("enhance", frames, "-o", tmp_path / "out", "--model=nonsense", "--dry-run") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{frames}/a.png -> {tmp_path}/out/a.png (exists)",
        f"{frames}/b.jpg -> {tmp_path}/out/b.jpg",
        f"{tmp_path}/out: 1 would be enhanced, 1 existing (--overwrite replaces them), 1 failed",
    ]
    assert captured.err == f"failed: {tmp_path}/out/c.png: a folder of this name is in the way\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    assert run("enhance", frames / "b.jpg", "-n") == 0
    assert not list(frames.glob("*_enhanced*"))


def test_format_quality_and_suffix(frames, model, tmp_path, capsys):
    sizes = []
    for quality in (10, 90):
        out = tmp_path / f"out{quality}"
        options = ["--format=webp", f"--quality={quality}", "--suffix=-x", "--strength=1"]
        assert run("enhance", frames, "-o", out, "--model", model, *options) == 0
        assert sorted(path.name for path in out.iterdir()) == ["a-x.webp", "b-x.webp", "c-x.webp"]
        assert read_picture(out / "a-x.webp").format == "WEBP"
        sizes.append(sum(path.stat().st_size for path in out.iterdir()))
    assert sizes[0] < sizes[1]
    assert run("enhance", frames / "b.jpg", "--model", model, "--format=png") == 0  # bright, and converted
    assert read_picture(frames / "b_enhanced.png").format == "PNG"


def test_quiet_prints_only_errors(frames, model, tmp_path, capsys):
    (frames / "notes.txt").write_text("text")
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--quiet") == 0
    assert run("enhance", frames, "-o", tmp_path / "out", "-n", "-q", "--skip-existing") == 0
    assert capsys.readouterr() == ("", "")
    (frames / "bad.png").write_text("no picture")
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "-q", "--overwrite") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"failed: {frames}/bad.png: not a picture")
    assert captured.err.count("\n") == 1
    assert run("sort", frames, "--quiet", "--format=csv") == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 4
    assert captured.err.count("\n") == 1


def test_verbose_prints_the_outcome_of_each_picture(frames, model, tmp_path, capsys, monkeypatch):
    def broken(self, picture, **amount):
        if picture.rgb.mean() > 90 and picture.rgb.mean() < 110:
            raise KeyError("a defect")
        return enhance(self, picture, **amount)

    (frames / "bad.png").write_text("not a picture")  # a failure that its message explains
    enhance = Enhancer.picture
    monkeypatch.setattr(Enhancer, "picture", broken)
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "-v") == 1
    captured = capsys.readouterr().err
    assert f"enhanced: {frames}/a.png -> {tmp_path}/out/a.png\n" in captured
    assert f"unchanged: {frames}/b.jpg -> {tmp_path}/out/b.jpg\n" in captured
    assert f"failed: {frames}/c.png: internal error (KeyError: 'a defect'); please report it" in captured
    assert captured.count("Traceback") == 1
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--overwrite") == 1
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(KeyError, match="a defect"):  # of the only picture
        run("enhance", frames / "c.png", "--model", model)


@pytest.mark.parametrize("command", ["enhance", "sort"])
def test_subfolders(frames, command, capsys):
    (frames / "deep").mkdir()
    (frames / "a.png").rename(frames / "deep" / "a.png")
    more = ["-n"] if command == "enhance" else []
    for option, found in (("-r", True), ("--recursive", True), ("--no-recursive", False)):
        assert run(command, frames, option, *more) == 0
        assert ("a.png" in capsys.readouterr().out) == found


def test_device(frames, model, tmp_path, capsys):
    assert run("enhance", frames, "-o", tmp_path / "a", "--model", model, "--device=cpu") == 0
    assert run("enhance", frames, "-o", tmp_path / "b", "--model", model, "--device=auto") == 0
    assert (tmp_path / "a" / "a.png").read_bytes() == (tmp_path / "b" / "a.png").read_bytes()


def test_inputs_between_options(frames, model, tmp_path):
    out = tmp_path / "out"
    assert run("enhance", frames / "a.png", "-o", out, frames / "b.jpg", "--model", model, "-q", frames / "c.png") == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.jpg", "c.png"]


def test_skipped_files_are_reported_once(frames, model, tmp_path, capsys):
    for name in ("a.exr", "b.EXR", "c.psd", "notes.txt", ".hidden.png"):
        (frames / name).write_bytes(b"")
    expected = "2 .exr, 1 .psd (convert to PNG or JPEG first)"
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model) == 0
    captured = capsys.readouterr().err
    assert captured.startswith("5 files skipped: ")
    assert captured.count("\n") == 1
    assert expected in captured
    assert run("sort", frames) == 0
    assert expected in capsys.readouterr().err


def test_an_unreadable_folder_is_a_failure(frames, model, tmp_path, capsys, monkeypatch):
    (frames / "closed").mkdir()
    close(monkeypatch, "closed")
    for arguments in (["enhance", frames, "-n"], ["sort", frames], ["sort", frames, frames / "closed"]):
        assert run(*arguments) == 1
        assert capsys.readouterr().err.count(f"failed: {frames}/closed: permission denied") >= 1


def test_the_only_picture_that_fails_is_an_error(frames, model, capsys, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Enhancer, "picture", exhausted)
    assert run("enhance", frames / "a.png", "--model", model) == 2
    assert one_line(capsys) == f"drujax: error: {frames}/a.png: out of memory (try a smaller picture)"


def test_models_are_listed(capsys):
    assert run("models", "--format=json") == 0
    known = json.loads(capsys.readouterr().out)
    assert DEFAULT_MODEL in [row["name"] for row in known["models"]]
    assert run("models") == 0
    assert DEFAULT_MODEL in capsys.readouterr().out


def test_help_and_version(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        assert run(*arguments) == 0
        assert "drujax enhance frames/ -o brighter/" in capsys.readouterr().out
    for arguments in (
        ["--version"],
        ["-V"],
        *([name, "--version"] for name in cli.COMMANDS),
        ["sort", "a", "--version"],
    ):
        assert run(*arguments) == 0
        assert capsys.readouterr().out == f"drujax {__version__}\n"
    with pytest.raises(SystemExit):
        run("help", "sort")
    assert "drujax sort" in capsys.readouterr().out
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as stop:
            run(command, "--help")
        assert stop.value.code == 0
        assert f"drujax {command}" in capsys.readouterr().out


def test_the_list_of_commands_has_one_line_each(capsys):
    assert run() == 0
    listed = capsys.readouterr().out.partition("Commands (")[2].partition("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in listed] == list(cli.COMMANDS)


def test_each_option_has_its_own_help_text(capsys):
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit):
            run(command, "--help")
        # Each line has a border of two characters; options begin there, their texts further right.
        lines = [line[2:].rstrip("│ ") for line in capsys.readouterr().out.splitlines() if line[:1] in "│ "]
        options = "\n".join(lines).partition("\n-h, ")[2]
        blocks = re.split(r"\n(?=-)", options)
        texts = [" ".join(re.split(r"\n|  +", block)[1:]).partition("(default")[0].strip() for block in blocks]
        assert len(texts) >= 2 or command == "completion"  # the shell is all it has
        assert all(len(text.split()) > 2 for text in texts), texts
        assert len(set(texts)) == len(texts)


def test_defaults_written_out_to_avoid_an_import_are_equal():
    options = Enhance(inputs=())
    assert options.model == DEFAULT_MODEL
    assert options.max_pixels == MAX_PIXELS == Image.MAX_IMAGE_PIXELS
    assert (cli.Sort(inputs=()).low, cli.Sort(inputs=()).high) == (LOW, HIGH)


def in_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_help_imports_neither_jax_nor_pillow():
    code = "import sys; from drujax import cli; cli.main(['--help']); print('jax' in sys.modules, 'PIL' in sys.modules)"
    assert in_new_process(code).endswith("False False\n")


def test_sort_does_not_import_jax(frames):
    code = f"import sys; from drujax import cli; cli.main(['sort', {str(frames)!r}]); print('jax' in sys.modules)"
    assert in_new_process(code).endswith("False\n")


def test_a_closed_pipe_is_not_an_error(frames):
    command = f"{sys.executable} -m drujax.cli sort {frames} --format=csv | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.slow
def test_killing_it_while_writing_leaves_only_complete_pictures(tmp_path, model, cache):
    (tmp_path / "in").mkdir()
    for index in range(6):
        Image.fromarray(RANDOM.integers(0, 99, (90, 96, 3), dtype=np.uint8)).save(tmp_path / "in" / f"{index:02}.png")
    out = tmp_path / "out"
    command = ["enhance", tmp_path / "in", "-o", out, "--model", model, "--skip-existing"]
    points = [
        Point("drujax.pictures.io:write_atomically", ".png", call=2),  # one picture is done
        Point("os:fsync", call=2),  # one more is, and the next is a temporary file
        Point("os:replace", ".png", call=2),  # one more is, and the next is on the disk under another name
    ]
    for done, point in enumerate(points, start=1):
        run_until(point, "drujax.cli", *command, DRUJAX_CACHE=str(cache))
        assert len(written(out)) == done
        assert all(read_picture(path).rgb.shape == (90, 96, 3) for path in written(out))
        assert all(path.suffix == ".tmp" or path in written(out) for path in out.iterdir())
    assert run(*command) == 0
    assert [path.name for path in written(out)] == [f"{index:02}.png" for index in range(6)]
    enhancer = Enhancer(model)
    for path in written(out):
        assert np.array_equal(read_picture(path).rgb, enhancer(read_picture(tmp_path / "in" / path.name).rgb))


def written(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "drujax.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, {handler})
sys.argv = ["drujax", "--version"]
runpy.run_module("drujax", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("handler", "code", "shown"),
    [("signal.default_int_handler", -2, ""), ("signal.SIG_IGN", 0, f"drujax {__version__}\n")],
)
def test_an_interrupt_while_the_command_starts_shows_no_traceback(handler, code, shown):
    command = [sys.executable, "-c", INTERRUPTED_IMPORT.format(handler=handler)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, shown, "")

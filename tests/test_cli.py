"""The command `drujax`, in this process but where the process is what is tested."""

import csv
import io
import json
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
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.loading import resolve
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.pictures.io import read_picture
from drujax.runtime.version import __version__
from drujax.weights import safetensors_io
from drujax.weights.torch_names import to_torch
from tests.support.killed import Point, run_until
from tests.support.tiny_model import save_tiny_model

pytestmark = pytest.mark.usefixtures("command")
RANDOM = np.random.default_rng(2)


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def one_line(capsys) -> str:
    """What was said on stderr: exactly one line."""
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said.rstrip("\n")


@pytest.fixture
def frames(tmp_path):
    (tmp_path / "frames").mkdir()
    for name, level in (("a.png", 20), ("b.jpg", 200), ("c.png", 100)):
        pixels = RANDOM.integers(level - 20, level + 20, (9, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "frames" / name)
    return tmp_path / "frames"


def test_one_picture_is_enhanced_beside_itself(frames, model, capsys):
    assert run("enhance", frames / "a.png", "--model", model) == 0
    assert capsys.readouterr().out == f"{frames}/a_enhanced.png: 1 enhanced\n"
    result = read_picture(frames / "a_enhanced.png").rgb
    assert np.array_equal(result, Enhancer(model)(read_picture(frames / "a.png").rgb))


def test_a_folder_with_a_bad_picture(frames, model, tmp_path, capsys):
    (frames / "bad.png").write_text("no picture")
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--strength", "0.5") == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/out: 3 enhanced, 1 left out\n"
    assert said.err.count(f"left out {frames}/bad.png: not a picture of a known kind") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    half = Enhancer(model)(read_picture(frames / "c.png").rgb, strength=0.5)
    assert np.array_equal(read_picture(tmp_path / "out" / "c.png").rgb, half)

    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model, "--skip-existing") == 1
    assert capsys.readouterr().out == f"{tmp_path}/out: 3 there already, 1 left out\n"
    assert np.array_equal(read_picture(tmp_path / "out" / "c.png").rgb, half)


def test_a_bright_picture_stays_as_it_is(frames, model, tmp_path, capsys):
    assert run("enhance", frames, "-o", tmp_path / "out", "--model", model) == 0
    said = f"{tmp_path}/out: 2 enhanced, 1 bright already (--strength=1 changes them, too)\n"
    assert capsys.readouterr().out == said
    assert (tmp_path / "out" / "b.jpg").read_bytes() == (frames / "b.jpg").read_bytes()


def test_a_run_serves_as_model(frames, model, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights.safetensors").write_bytes(model.read_bytes())
    assert run("enhance", frames / "a.png", "--model", tmp_path / "run") == 0


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "enlightengan"])
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
        (["enhance", "{a}", "--stength=1"], r"error: Unrecognized options: --stength=1. Did you mean --strength\?$"),
        (["enhance", "{a}", "--strength=2", "--model={model}"], r"strength: must be a number in 0..1 or 'auto', got 2"),
        (
            ["enhance", "{a}", "{b}", "--strength=-0.1", "--model={model}"],
            r"error: strength: must be a number in 0..1 or .auto., got -0.1",
        ),
        (["enhance", "{a}", "--strength=x"], r"--strength: 'x' is neither a number nor auto"),
        (["enhance", "{a}", "--model=dru-vitb16"], r"--model: unknown value 'dru-vitb16'. Did you mean dru-vit-b16\?"),
        (["enhance", "{a}", "--model={a}"], r"a.png is not a .safetensors file"),
        (["enhance", "{a}", "--model=x/y.safetensors"], r"x/y.safetensors"),
        (
            ["enhance", "{a}", "--max-pixels=100", "--model={model}"],
            r"a.png: too large \(126 pixels; the limit is 100\)",
        ),
        (["enhance", "{a}", "--max-pixels=0"], r"--max-pixels: 0 is under 1"),
        (["enhance", "{a}", "-o", "{a}"], r"would overwrite the input"),
        (["sort", "{a}", "--format=xml"], r"invalid choice 'xml' for argument '--format'. Expected one of"),
        (["sort", "{a}", "--low=200"], r"low: 200 is above high, 150"),
        (["sort"], r"INPUT: give at least one picture or folder"),
        (["convert", "x.pth", "--model", "enlightengan", "-o", "y.safetensors"], r"x.pth"),
        (["convert", "{a}", "--model", "enlightengn", "-o", "y.safetensors"], r"Did you mean enlightengan\?"),
        (["convert", "{a}", "--model", "enlightengan"], r"--output"),
        (["convert", "{a}", "--model=zero-dce-pp", "-o=y.safetensors", "--option=corp=1"], r"Did you mean crop\?"),
        (
            ["convert", "{a}", "--model=zero-dce-pp", "-o=y.safetensors", "--option=crop=1"],
            r"crop=1: must be of type bool, got '1'",
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
        (["enhance", "{a}", "--rounding=up"], r"invalid choice 'up' for argument '--rounding'"),
    ],
)
def test_a_users_mistake_is_one_line(frames, model, arguments, message, capsys):
    filled = [argument.format(a=frames / "a.png", b=frames / "b.jpg", model=model) for argument in arguments]
    assert run(*filled) == 2
    said = one_line(capsys)
    assert said.startswith("drujax: error: ")
    assert re.search(message, said), said
    assert sorted(path.name for path in frames.iterdir()) == ["a.png", "b.jpg", "c.png"]


def test_sort_tells_class_and_means(frames, capsys):
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
    said = capsys.readouterr()
    assert said.out.count("\n") == 4
    assert "left out" in said.err


def test_convert_makes_a_model_of_a_checkpoint(tmp_path, model, capsys):
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
    assert "another shape" in one_line(capsys)
    assert not (tmp_path / "b.safetensors").exists()


def test_models_are_told(capsys):
    assert run("models", "--format=json") == 0
    known = json.loads(capsys.readouterr().out)
    assert DEFAULT_MODEL in [row["name"] for row in known["models"]]
    assert run("models") == 0
    assert DEFAULT_MODEL in capsys.readouterr().out


def test_help_and_version(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        assert run(*arguments) == 0
        assert "drujax enhance frames/ -o brighter/" in capsys.readouterr().out
    assert run("--version") == 0
    assert capsys.readouterr().out == f"drujax {__version__}\n"
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as stop:
            run(command, "--help")
        assert stop.value.code == 0
        assert f"drujax {command}" in capsys.readouterr().out


def test_defaults_that_are_written_out_to_spare_an_import():
    options = cli.Enhance(inputs=())
    assert options.model == DEFAULT_MODEL
    assert options.max_pixels == cli.MAX_PIXELS == Image.MAX_IMAGE_PIXELS
    assert (cli.Sort(inputs=()).low, cli.Sort(inputs=()).high) == (LOW, HIGH)


def in_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_help_imports_neither_jax_nor_pillow():
    code = "import sys; from drujax import cli; cli.main(['--help']); print('jax' in sys.modules, 'PIL' in sys.modules)"
    assert in_new_process(code).endswith("False False\n")


def test_sort_does_not_import_jax(frames):
    code = f"import sys; from drujax import cli; cli.main(['sort', {str(frames)!r}]); print('jax' in sys.modules)"
    assert in_new_process(code).endswith("False\n")


def test_a_reader_that_goes_away_is_no_error(frames):
    command = f"{sys.executable} -m drujax.cli sort {frames} --format=csv | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_killed_while_it_writes_leaves_only_whole_pictures(tmp_path, model, cache):
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

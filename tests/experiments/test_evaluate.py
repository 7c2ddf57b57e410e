"""Evaluation of a run and of a model, from the command line to the written file."""

import json

import pytest
from PIL import Image

from drujax.console import command_line
from drujax.data.prepare import prepare
from drujax.data.scenes import pair
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from drujax.metrics.ssim import psnr
from experiments.evaluate import Config, main
from tests.support.tiny_model import command_settings, save_tiny_model


@pytest.fixture(autouse=True)
def settings(tmp_path_factory):
    with command_settings(tmp_path_factory.getbasetemp() / "cache"):
        yield


def config(*arguments: str) -> Config:
    return command_line.parse(Config, ["--scenes=2", "--scene-size=32", *arguments], program="evaluate")


def test_a_run_with_its_own_dataset(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    save_tiny_model(run).rename(run / "weights.safetensors")
    prepare(Scenes(24, (32, 32)), run / "dataset", crop=32, quiet=True)
    assert main(config(f"--workdir={run}", "--pictures=2")) == 0
    result = json.loads((run / "evaluation.json").read_text())
    assert set(result) == {"model", "strength", "plain", "scenes", "dark", "bright"}
    assert result["scenes"]["count"] == 2
    assert result["scenes"]["enhanced"]["psnr"] != result["scenes"]["input"]["psnr"]
    assert result["dark"]["mean_luma"]["enhanced"] > result["dark"]["mean_luma"]["input"] + 5
    assert 1 <= result["bright"]["count"] <= 2
    captured = capsys.readouterr().out
    assert "2 synthetic scenes of 32x32" in captured
    assert "PSNR (dB)" in captured
    assert str(run / "evaluation.json") in captured

    # The same with strength 0.
    assert main(config(f"--workdir={run}", "--pictures=1", "--strength=0.0")) == 0
    unchanged = json.loads((run / "evaluation.json").read_text())
    assert unchanged["scenes"]["enhanced"] == unchanged["scenes"]["input"]
    assert unchanged["dark"]["luma_change"]["max"] == 0


def test_pairs_of_real_pictures(tmp_path, capsys):
    path = save_tiny_model(tmp_path)
    dark, bright = pair(3, 0, (32, 32))
    for name, rgb in (("night", dark), ("day", bright), ("alone", bright[:20])):
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
    table = tmp_path / "variants.csv"
    table.write_text("group,file\na,day.png\na,night.png\nb,alone.png\n")
    assert main(config(f"--model={path}", f"--pairs={table}", "--scenes=1")) == 0
    captured = capsys.readouterr()
    assert "skipped b: it has one picture" in captured.err
    assert "1 pairs of real pictures, the darker against the brighter" in captured.out
    assert f"{psnr(dark[None] / 255, bright[None] / 255)[0]:.4f}" in captured.out
    assert "MS-SSIM" in captured.out


def test_a_model_without_pictures(tmp_path, capsys):
    path = save_tiny_model(tmp_path)
    assert main(config(f"--model={path}")) == 0
    captured = capsys.readouterr().out
    assert "synthetic scenes" in captured
    assert "pictures" not in captured
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"give either --workdir=RUN or --model=NAME"),
        (["--workdir=a", "--model=b"], r"give either --workdir=RUN or --model=NAME"),
        (["--model=b", "--scenes=0"], r"--scenes: must be >= 1, got 0"),
        (["--model=b", "--pairs=/nowhere.csv"], r"--pairs: file not found: /nowhere.csv"),
        (["--model=dru-vitb16"], r"Did you mean dru-vit-b16\?"),
        (["--model=dru-vit-b16", "--data=/nowhere"], r"/nowhere: no dataset"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UsageError, match=message):
        main(config(*arguments))

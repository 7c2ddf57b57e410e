"""`experiments.evaluate light`, from the command line to the written files."""

import csv
import json

import pytest
from PIL import Image

from drujax.data.prepare import prepare
from drujax.data.scenes import pair
from drujax.data.sources import Scenes
from drujax.enhance.zoo import DEFAULT_MODEL
from drujax.errors import UsageError
from drujax.score import light_table
from experiments._evaluate import light
from experiments.evaluate import run
from tests.support.tiny_model import command_settings, save_tiny_model


@pytest.fixture(autouse=True)
def settings(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(light_table, "SIZE", (64, 96))
    with command_settings(tmp_path_factory.getbasetemp() / "cache"):
        yield


@pytest.fixture
def pairs(tmp_path):
    """A table of two pairs, in the columns dark and bright."""
    lines = ["scene,dark,bright"]
    for index in range(2):
        for name, rgb in zip(("night", "day"), pair(3, index, (48, 64)), strict=True):
            Image.fromarray(rgb).save(tmp_path / f"{name}{index}.png")
        lines.append(f"scene {index},night{index}.png,day{index}.png")
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.mark.slow
def test_models_in_one_table(tmp_path, pairs, capsys):
    prepare(Scenes(24, (32, 32)), tmp_path / "dataset", crop=32, quiet=True)
    tiny = save_tiny_model(tmp_path)
    arguments = [f"--data={tmp_path / 'dataset'}", "--pictures=2", f"--pairs={pairs}", "--scenes=1"]
    arguments += [f"--models=input,curve:plain,mine={tiny},alone={tiny}:plain", f"--out={tmp_path / 'out'}"]
    assert run(["light", *arguments]) == 0
    said = capsys.readouterr().out
    assert "2 dark pictures of val_dark, no reference" in said or "1 dark pictures" in said
    assert "2 pairs, against the day" in said
    assert "11 painted scenes, against the day" in said
    assert "12 painted scenes, faults" in said
    assert [line.split()[0] for line in said.splitlines() if line.startswith(("input", "curve", "mine", "alone"))][:4]
    written = (tmp_path / "out" / "light.md").read_text()
    assert "1 neon" in written
    with (tmp_path / "out" / "light.csv").open() as file:
        rows = list(csv.DictReader(file))
    full = json.loads((tmp_path / "out" / "light.json").read_text())
    assert full["models"] == {
        "input": "input",
        "curve:plain": "curve:plain",
        "mine": str(tiny),
        "alone": f"{tiny}:plain",
    }
    assert len(rows) == len(full["rows"])
    assert {row["set"] for row in rows} == {"dark", "pairs", "painted"}
    by_model = {row["model"]: row for row in full["rows"] if row["picture"] == "scene 0"}
    assert by_model["input"]["way"] == 0
    assert by_model["alone"]["luma"] != by_model["mine"]["luma"] != by_model["input"]["luma"]


def test_the_default_list():
    usual = ["input", DEFAULT_MODEL, f"{DEFAULT_MODEL}:plain", "curve:plain"]
    assert list(light.models(light.Light().models).values()) == usual
    assert list(light.models("default,mine=x.safetensors:plain").values()) == [*usual, "x.safetensors:plain"]
    assert light.models("curve") == {"curve": "curve"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes=0"], "nothing to measure; give --data=D, --pairs=CSV or --scenes=N"),
        (["--scenes=-1"], "--scenes: must be >= 0, got -1"),
        (["--pairs=/nowhere.csv"], "--pairs: file not found: /nowhere.csv"),
        (["--data=/nowhere"], "/nowhere: no dataset"),
        (["--data=/nowhere", "--pictures=0"], "--pictures: must be >= 1, got 0"),
        (["--models=curv", "--scenes=1"], "model: unknown value 'curv'. Did you mean curve?"),
        (["--split=train_dark"], "--split: unknown value 'train_dark'"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UsageError) as raised:
        run(["light", *arguments])
    assert message in str(raised.value)


def test_a_table_that_names_what_is_not_there(tmp_path, pairs):
    pairs.write_text(pairs.read_text().replace("day1", "noon"))
    with pytest.raises(UsageError, match="names a picture that its folder lacks: noon.png"):
        run(["light", f"--pairs={pairs}"])
    Image.fromarray(pair(3, 0, (48, 60))[1]).save(tmp_path / "noon.png")
    with pytest.raises(UsageError, match="--pairs: scene 1: its pictures are of 64x48 and 60x48 pixels"):
        run(["light", f"--pairs={pairs}"])

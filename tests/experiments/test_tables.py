"""`experiments.tables`, from trainings to the page."""

import csv
import re

import pytest

from drujax.data.prepare import prepare
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from experiments import tables
from experiments._tables import studies, work
from tests.support.tiny_model import command_settings


@pytest.fixture(autouse=True)
def settings(tmp_path_factory):
    with command_settings(tmp_path_factory.getbasetemp() / "cache"):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "D"
    prepare(Scenes(60, (48, 64)), folder, crop=48, quiet=True)
    return folder


def run(data, workdir, *arguments):
    return tables.run([*arguments, f"--data={data}", f"--workdir={workdir}", "--preset=debug", "--metrics", "brisque"])


def read(workdir, study):
    with (workdir / f"{study}.csv").open() as file:
        return {row["row"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_table_1(data, tmp_path, capsys, monkeypatch):
    """Trains three rows, leaves one out whose weights are not there, and does nothing the second time."""

    def offline(*_, **__):
        raise OSError("unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    dru = "DRU-EnlightenGAN-MobileNetV2"
    rows = ["--rows", "Input", studies.VANILLA, dru, f"{dru}, composed", "curve", "CLIP-LIT"]
    command = ["table1", "--seeds=2", "--pictures=3", *rows]
    assert run(data, tmp_path, *command) == 1
    said = capsys.readouterr().out
    assert said.count(": train\n") == 4  # two rows of two seeds; the composed one is the same training
    assert said.count("mobilenet_v2: relativistic probabilities\n") == 1
    found = read(tmp_path, "table1")
    assert [found[name]["seeds"] for name in ("Input", studies.VANILLA, dru)] == ["1", "2", "2"]
    assert found["CLIP-LIT"]["brisque"] == ""
    assert found["CLIP-LIT"]["reason"].startswith("CLIP-LIT's released enhancement_model.pth: no connection: unreach")
    assert float(found[dru]["brisque_low"]) < float(found[dru]["brisque"]) < float(found[dru]["brisque_high"])
    assert found[dru]["brisque_paper"] == "26.5647"
    assert found[dru]["brisque"] != found[f"{dru}, composed"]["brisque"]
    text, page = ((tmp_path / f"table1.{form}").read_text() for form in ("md", "html"))
    assert "No result for CLIP-LIT" in text
    assert "paired by seed and picture" in text
    assert "dark, confident | dark, uncertain | bright, confident | bright, uncertain | all |" in text
    assert text.count(f"\n| {dru}; {dru}, composed | 0.") == page.count("<svg") == 1
    assert page.count("<figure>") == 15  # three pictures of the five rows with a result
    assert not re.search(r'(src|href)="(?!data:)', page)

    files = {path.name: path.read_bytes() for path in tmp_path.glob("table1.*")}
    assert run(data, tmp_path, *command) == 1
    again = capsys.readouterr().out
    assert ": train" not in again
    assert {path.name: path.read_bytes() for path in tmp_path.glob("table1.*")} == files
    assert run(data, tmp_path, *command, "--dry-run") == 0
    assert "0.00 hours to go" in capsys.readouterr().out


@pytest.mark.slow
def test_a_plan_measures_what_is_not_done(data, tmp_path, capsys):
    assert run(data, tmp_path, "table1", "--rows", studies.VANILLA, "--steps=1000", "--dry-run") == 0
    said = capsys.readouterr().out
    assert f" hours {studies.VANILLA}, seed 0: train" in said
    assert "? hours" in said
    assert "hours to go, without score, of which none is done yet" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table4"], "study: unknown value 'table4'. Did you mean table"),
        (["table1", "--rows", "Vanila EnlightenGAN"], "--rows: unknown value .* Did you mean Vanilla EnlightenGAN"),
        (["controls", "--arms", "rp", "shufled"], "--arms: unknown value 'shufled'. Did you mean shuffled"),
        (["table1", "--seeds=0"], "--seeds: must be >= 1, got 0"),
        (["table1", "--short-side=8"], "--short-side: must be >= 16, got 8"),
        (["table1", "--more-seeds", "Input"], "--more-seeds: 'Input' is not NAME=VALUE"),
        (["table1", "--more-seeds", "SCI=x"], "--more-seeds: SCI=x: give a number >= 1"),
        (["table1", "--weights", "nima"], "--weights: 'nima' is not NAME=VALUE"),
    ],
)
def test_mistakes(data, tmp_path, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(data, tmp_path, *arguments)


def test_an_unknown_metric_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match="--metrics: unknown value 'brisk'. Did you mean brisque"):
        tables.run(["table1", f"--data={data}", f"--workdir={tmp_path}", "--metrics", "brisk"])


def test_a_dataset_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no dataset; create one"):
        run(tmp_path / "D", tmp_path / "W", "table1")


def test_every_row_of_the_paper_is_there():
    rows = {row.name: row.paper for row in studies.TABLE1}
    assert sum("pi" in paper for paper in rows.values()) == 12
    of_table2 = [row for row in studies.table2("resnet18") if row.paper]
    assert [row.name for row in of_table2][:2] == ["DRU, confident", "Vanilla, confident"]
    assert len(of_table2) == 6
    assert [row.name for row in studies.table3("resnet18", (0.3,)) if row.paper] == [
        "DRU, original",
        "Vanilla, original",
        "DRU, unreliable",
        "Vanilla, unreliable",
    ]
    names = [row.name for row in studies.controls("resnet18", ("rp", "mean"), (0.0, 0.3), (1.0,))]
    assert names[0] == studies.VANILLA
    assert names[-1] == "each term times its mean RP, 30% of the labels wrong"


def test_the_centroid_row_takes_the_weights_of_the_network_whose_features_it_compares(data, tmp_path):
    """By default those of ResNet18."""
    (row,) = (row for row in studies.TABLE1 if row.backbone == "centroid")
    weights = tmp_path / "resnet18.safetensors"
    weights.write_bytes(b"weights")

    def key(*arguments):
        config = tables.Config(study="table1", data=data, workdir=tmp_path, metrics=("brisque",), weights=arguments)
        probability, *_ = work.jobs_of(row, 0, tables.setting_of(config)[0])
        return probability.key

    assert key() != key(f"resnet18={weights}")
    assert key() == key(f"resnet50={weights}")

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.uncertainty import probability
from tests.support.commands import run_prepare as run


@pytest.fixture
def folder(tmp_path):
    """6 dark, 3 bright and 2 uncertain pictures."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for kind, level, count in (("dark", 25, 6), ("bright", 220, 3), ("uncertain", 100, 2)):
        for number in range(count):
            picture = rng.integers(level - 20, level + 20, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"{kind}{number}.png")
    return folder


def test_prepares_and_prints_what_went_where(folder, tmp_path, capsys):
    groups = tmp_path / "groups.csv"
    groups.write_text("id,group\ndark0,a\ndark1,a\n")
    out = tmp_path / "data"
    assert run(f"--source={folder}", f"--out={out}", f"--groups={groups}", "--crop=16", "--labels=qab", "--seed=1") == 0
    printed = capsys.readouterr().out
    assert "train_bright            3          3          0          3          0          3" in printed
    assert "left out: 2 without a label (uncertain)" in printed
    assert "enlarged to the crop: 0\n" in printed
    dataset = Dataset.open(out)
    groups = [metadata.group for split in ("train_dark", "test_dark", "val_dark") for metadata in dataset.table(split)]
    assert groups.count("a") == 2
    assert len(dataset.train_bright) == 3


def test_a_card_is_written_after_the_build_and_again_later(folder, tmp_path, capsys):
    (folder / "LICENSE").write_text("CC0")
    out = tmp_path / "data"
    command = [f"--source={folder}", f"--out={out}", "--crop=16"]
    assert run(*command) == 0
    text = (out / "DATASET.md").read_text()
    assert f"python -m experiments.prepare --source={folder} --out={out} --crop=16\n" in text
    assert "| frames | LICENSE: CC0 |" in text
    page = (out / "dataset.html").read_bytes()
    assert run("card", f"--data={out}", "--licence=frames:mine, all of them") == 0
    assert capsys.readouterr().out.endswith(f"{out / 'DATASET.md'}\n{out / 'dataset.html'}\n")
    assert "| frames | mine, all of them |" in (out / "DATASET.md").read_text()
    (out / "dataset.html").unlink()  # as if interrupted between the records and the card
    (out / "build.json").unlink()
    assert run(*command) == 0
    assert (out / "dataset.html").read_bytes() == page


def test_mistakes_about_the_card(folder, tmp_path, capsys):
    out = tmp_path / "data"
    assert run(f"--source={folder}", f"--out={out}", "--crop=16", "--licence=frame:CC0") == 2
    assert "--licence: unknown value 'frame'. Did you mean frames?" in capsys.readouterr().err
    assert not out.exists()
    assert run("card", f"--data={out}") == 2
    assert "no dataset; create one" in capsys.readouterr().err
    assert run(f"--source={folder}", f"--out={out}", "--crop=16") == 0
    capsys.readouterr()
    assert run("card", f"--data={out}", f"--run={tmp_path}") == 2
    assert capsys.readouterr().err == (
        f"prepare: error: --run: no relativistic probabilities in {tmp_path} (no relativistic_probabilities.npz)\n"
    )


def test_several_sources_and_unreadable_pictures(folder, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "bad.png").write_text("no picture")
    assert run("--source", folder, "--source", other, "--out", tmp_path / "data", "--crop=16") == 1
    captured = capsys.readouterr()
    assert f"prepare: skipped: {other / 'bad.png'}: not a picture" in captured.err
    assert "skipped as unreadable: 1" in captured.out
    assert len(Dataset.open(tmp_path / "data").train_bright) == 3


def test_labels_from_the_classifier(folder, tmp_path, monkeypatch, capsys):
    asked = {}

    def labeller(backbone, pretrained, recipe, *, log):
        asked.update(backbone=backbone, pretrained=pretrained, epochs=recipe.epochs)
        log("trained")
        return lambda confident, labels, groups, uncertain: np.tile([0.25, 0.75], (len(uncertain), 1))

    monkeypatch.setattr(probability, "labeller", labeller)
    options = (
        "--labels=classifier",
        "--classifier=mobilenet_v2",
        "--pretrained=none",
        "--recipe.epochs=3",
        "--crop=16",
    )
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", *options) == 0
    assert asked == {"backbone": "mobilenet_v2", "pretrained": "none", "epochs": 3}
    assert "trained" in capsys.readouterr().err
    chosen = Dataset.open(tmp_path / "data").train_bright.where(lambda metadata: metadata.label_origin == "classifier")
    assert [metadata.classifier_probability for metadata in chosen.table] == [0.75, 0.75]
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", *options) == 0
    assert "held this dataset already" in capsys.readouterr().out
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", *options, "--recipe.epochs=4") == 2


def test_labels_by_hand(folder, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "file,label\n" + "".join(f"uncertain{i}.png,{label}\n" for i, label in enumerate(("dark", "bright")))
    )
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", f"--labels={labels}", "--crop=16") == 0
    dataset = Dataset.open(tmp_path / "data")
    assert [metadata.id for metadata in dataset.table("train_dark")] == ["frames/uncertain0.png"]
    assert [metadata.id for metadata in dataset.table("train_bright")] == ["frames/uncertain1.png"]


def test_synthetic_scenes(tmp_path, capsys):
    assert run("--source=scenes", f"--out={tmp_path / 'data'}", "--count=8", "--size=20x24", "--crop=16") == 0
    dataset = Dataset.open(tmp_path / "data")
    assert {metadata.source for metadata in (*dataset.table("train_dark"), *dataset.table("train_bright"))} == {
        "scenes"
    }
    assert "train_dark" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source=nowhere"], "--source: folder not found: nowhere"),
        (
            ["--labels=classifer"],
            "--labels: unknown value 'classifer'. Did you mean classifier? Choices: qab, classifier",
        ),
        (["--labels=gone.csv"], "--labels: file not found: gone.csv"),
        (["--groups=gone.csv"], "--groups: file not found: gone.csv"),
        (
            ["--labels=classifier", "--classifier=mobilenet"],
            "--classifier: unknown value 'mobilenet'. Did you mean mobilenet_v2?",
        ),
        (["--labels=classifier", "--classifier=mobilenet_v2", "--pretrained=gone.pth"], "gone.pth"),
        (["--source=scenes"], '--source: "scenes" (synthetic) cannot be combined with folders'),
        (["--processes=0"], "--processes: must be >= 1, got 0"),
        (["--beam-options=direct_num_workers=2"], "--beam-options: needs --beam-runner"),
        (["--crop=0"], "--crop: must be >= 1, got 0"),
        (["--low=151"], "low: must be <= high (150), got 151"),
        (["--corp=320"], "Did you mean --crop?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(folder, tmp_path, capsys, arguments, message):
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", *arguments) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.startswith("prepare: error: ")
    assert captured.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("size", ["large", "20", "0x5"])
def test_an_invalid_size_is_reported(tmp_path, capsys, size):
    assert run("--source=scenes", f"--out={tmp_path / 'data'}", f"--size={size}") == 2
    assert size in capsys.readouterr().err


def test_a_missing_extra_is_named_before_the_work(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", "--beam-runner=DirectRunner") == 2
    assert capsys.readouterr().err == ("prepare: error: apache_beam is not installed: pip install 'drujax[beam]'\n")


@pytest.mark.filterwarnings("default")  # of Beam's own
def test_beam_runs_with_its_options(folder, tmp_path, capsys):
    pytest.importorskip("apache_beam", reason="needs the extra beam")
    beam = ["--beam-runner=DirectRunner", "--beam-options=direct_num_workers=1", "--beam-options=job_name=test"]
    assert run(f"--source={folder}", f"--out={tmp_path / 'data'}", "--crop=16", *beam) == 0
    assert len(Dataset.open(tmp_path / "data").train_bright) == 3


def test_the_module_runs(folder, tmp_path):
    command = [sys.executable, "-m", "experiments.prepare", f"--out={tmp_path / 'data'}"]
    done = subprocess.run([*command, f"--source={folder}", "--crop=16"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("split ")
    assert len(Dataset.open(tmp_path / "data").train_bright) == 3
    missing = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1

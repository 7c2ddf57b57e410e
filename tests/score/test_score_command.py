"""`drujax score`: rows, summaries, comparisons and pictures that cannot be scored."""

import csv
import importlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax import cli
from drujax.errors import UsageError
from drujax.metrics import brisque, niqe, piqe
from drujax.metrics.nima import AESTHETIC
from drujax.metrics.registry import of_column
from drujax.score import files
from tests.support.tiny_model import command_settings

SIDE = (100, 200)


@pytest.fixture(autouse=True)
def settings(tmp_path_factory):
    with command_settings(tmp_path_factory.getbasetemp() / "score_cache"):
        yield


def run(*arguments: object) -> int:
    return cli.main(["score", *(str(argument) for argument in arguments)])


def scene(seed: int, noise: float = 4.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: SIDE[0], : SIDE[1]]
    waves = 120 + 60 * np.sin(x / 9 + seed) * np.cos(y / 13) + 30 * (x > y)
    return (waves[..., None] + random.normal(0, noise, (*SIDE, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    Image.fromarray(scene(0)).save(tmp_path / "in" / "a.png")
    Image.fromarray(scene(1)).save(tmp_path / "in" / "deep" / "b.png")
    return tmp_path / "in"


def test_json_has_every_picture_and_the_means(folder, capsys):
    assert run(folder, "--metrics", "brisque,niqe,piqe", "--format=json") == 0
    printed = json.loads(capsys.readouterr().out)
    pictures = {"a.png": scene(0), "deep/b.png": scene(1)}
    assert [Path(row["image"]).relative_to(folder).as_posix() for row in printed["images"]] == list(pictures)
    for function, name in ((brisque, "brisque"), (niqe, "niqe"), (piqe, "piqe")):
        expected = [float(function(rgb)[0]) for rgb in pictures.values()]
        got = [row[name] for row in printed["images"]]
        assert got == expected
        assert printed["mean"][name] == pytest.approx(np.mean(got))
        low, high = printed["interval"][name]
        assert min(got) <= low <= high <= max(got)
        assert printed["count"][name] == 2


def test_the_reference_is_chosen(folder, capsys):
    for reference in ("pyiqa", "matlab"):
        assert run(folder / "a.png", "--metrics=brisque,niqe,piqe", f"--reference={reference}", "--format=json") == 0
        (row,) = json.loads(capsys.readouterr().out)["images"]
        expected = {function.__name__: function(scene(0), reference=reference)[0] for function in (brisque, niqe, piqe)}
        assert {name: row[name] for name in expected} == expected


def test_pi_and_its_parts_use_one_reference(monkeypatch, tmp_path):
    asked = []
    for name in ("niqe", "ma"):
        module = importlib.import_module(f"drujax.metrics.{name}")
        monkeypatch.setattr(module, name, lambda _, name=name, **how: asked.append((name, how)) or np.ones(1))
    monkeypatch.setattr(files, "fetch", lambda file: tmp_path / file.filename)
    (measure,) = files.measures(["pi"], "matlab", lambda *_: None)
    assert [float(part[0]) for part in measure.function(np.zeros((1, 8, 8, 3), np.uint8))] == [5.0, 1.0, 1.0]
    assert asked == [("niqe", {"reference": "matlab", "protocol": "pi"}), ("ma", {"reference": "matlab"})]


def test_table_and_csv(folder, capsys):
    assert run(folder, "--metrics=brisque,piqe") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["image", f"{folder}/a.png", f"{folder}/deep/b.png", "mean", "95"]
    assert lines[6].startswith("The statistics take all 2 pictures as independent")
    assert run(folder / "a.png", "--metrics=piqe") == 0
    assert capsys.readouterr().out.endswith("\n\nOne picture has no interval.\n")
    assert run(folder, "--metrics=piqe", "--format=csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["piqe"]) for row in rows] == [float(piqe(scene(seed))[0]) for seed in (0, 1)]


def test_what_cannot_be_scored_is_reported_and_the_rest_scored(folder, capsys):
    (folder / "bad.png").write_text("no picture")
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(folder / "black.png")
    Image.fromarray(scene(0)[:14]).save(folder / "flat.png")
    assert run(folder, "--metrics=brisque,piqe", "--format=json") == 1
    captured = capsys.readouterr()
    rows = {Path(row["image"]).name: row for row in json.loads(captured.out)["images"]}
    assert sorted(rows) == ["a.png", "b.png", "black.png", "flat.png"]
    assert (rows["black.png"]["brisque"], rows["black.png"]["piqe"]) == (None, 100.0)
    assert rows["flat.png"]["piqe"] is None
    assert rows["flat.png"]["brisque"] is not None
    assert "bad.png: not a picture of a known kind" in captured.err
    assert "black.png: brisque: no contrast to measure" in captured.err
    assert "flat.png: piqe: each side must be >= 16 pixels, got 200x14" in captured.err


def test_comparison_of_two_folders(folder, tmp_path, capsys):
    (tmp_path / "other" / "deep").mkdir(parents=True)
    Image.fromarray(scene(0, noise=40)).save(tmp_path / "other" / "a.bmp")  # another kind of file
    Image.fromarray(scene(1, noise=40)).save(tmp_path / "other" / "deep" / "b.png")
    assert run(folder, "--against", tmp_path / "other", "--metrics=brisque", "--format=json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [Path(row["against"]).name for row in printed["images"]] == ["a.bmp", "b.png"]
    differences = [row["brisque"] - row["brisque_against"] for row in printed["images"]]
    result = printed["differences"]["brisque"]
    assert result["mean"] == pytest.approx(np.mean(differences))
    assert (result["better"], result["worse"], result["equal"]) == (2, 0, 0)  # lower is better
    assert result["interval"] == pytest.approx(sorted(differences))
    assert result["sign_test"] == 0.5

    Image.fromarray(scene(2)).save(folder / "alone.png")
    for place in (folder, tmp_path / "other"):
        (place / "old.exr").write_bytes(b"")
    assert run(folder, "--against", tmp_path / "other", "--metrics=brisque") == 1
    captured = capsys.readouterr()
    assert f"failed: {folder}/alone.png: no picture of that name in {tmp_path}/other" in captured.err
    assert "2 files skipped: 2 .exr (convert to PNG or JPEG first)" in captured.err
    assert "mean difference" in captured.out


@pytest.fixture
def scenes(folder, tmp_path):
    """Three scenes, the first in three variants; a noisier version of each; and the groups."""
    for name, seed in (("a", 0), ("a-dusk", 0), ("a-night", 0), ("deep/b", 1), ("c", 2)):
        for place, noise in ((folder, 4), (tmp_path / "other", 40)):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene(seed, noise)).save(place / f"{name}.png")
    table = tmp_path / "groups.csv"
    table.write_text("file,group\na.png,1\na-dusk,1\n" + f"{folder}/a-night.png,1\ndeep/b.png,2\ngone.png,3\n")
    return table


def test_intervals_and_sign_test_are_over_groups(folder, scenes, tmp_path, capsys):
    """The variants of scene a count once: three equal ones are not independent evidence."""
    arguments = [folder, "--against", tmp_path / "other", "--metrics=piqe"]
    assert run(*arguments, "--groups", scenes, "--format=json") == 0
    captured = capsys.readouterr()
    grouped = json.loads(captured.out)
    assert f"{scenes} names 1 pictures that are not scored here (first: gone.png)" in captured.err
    assert run(*arguments, "--format=json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert (grouped["count"], grouped["groups"], alone["groups"]) == ({"piqe": 5}, {"piqe": 3}, {"piqe": 5})
    assert grouped["mean"] == alone["mean"]
    assert grouped["differences"]["piqe"]["better"] == alone["differences"]["piqe"]["better"] == 5
    assert grouped["differences"]["piqe"]["sign_test"] == pytest.approx(2 / 2**3)
    assert alone["differences"]["piqe"]["sign_test"] == pytest.approx(2 / 2**5)
    scores = {Path(row["image"]).stem: row["piqe"] for row in grouped["images"]}
    # With three groups, resamples of a single group reach the 2.5 % at either end.
    assert grouped["interval"]["piqe"] == pytest.approx(sorted(scores[name] for name in ("a", "b", "c"))[::2])

    assert run(*arguments, "--groups", scenes) == 0
    assert "The statistics take 3 groups as independent (of 5 pictures, by --groups)." in capsys.readouterr().out
    assert run(folder, "--metrics=piqe", "--groups", scenes) == 0
    assert "take 3 groups as independent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "--groups: file not found: "),
        ("file,scene\na.png,1\n", "no column group; its columns are file, scene"),
        ("file,group\nx.png,1\n", "names none of the 2 pictures"),
        ("file,group\na.png,1\na,2\n", "line 3: 'a' has two values of group: 1, 2"),
    ],
)
def test_wrong_groups_are_one_line(folder, tmp_path, table, message, capsys):
    if table is not None:
        (tmp_path / "g.csv").write_text(table)
    assert run(folder, "--metrics=piqe", "--groups", tmp_path / "g.csv") == 2
    captured = capsys.readouterr().err
    assert captured.startswith("drujax: error: --groups: ")
    assert (message in captured, captured.count("\n")) == (True, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{in}", "--metrics=BRISQUE"], "--metrics: unknown value 'BRISQUE'. Did you mean brisque?"),
        (["{in}", "--metrics=brisk"], "--metrics: unknown value 'brisk'. Did you mean brisque? Choices: brisque, niqe"),
        (
            ["{in}", "--reference=matlap"],
            "--reference: brisque: unknown value 'matlap'. Did you mean matlab? Choices: pyiqa",
        ),
        (
            ["{in}", "--metrics=piqe,nima", "--reference=matlab"],
            "nima: unknown value 'matlab'. Choices: pyiqa, idealo, ",
        ),
        (["{in}", "--metrics=,"], "--metrics: give at least one of brisque, niqe"),
        (["missing"], "missing: no such file or folder"),
        (["{in}", "--against=missing"], "--against: folder not found: missing"),
        (["{in}", f"--against={__file__}"], f"--against: not a folder: {__file__}"),
        ([], "INPUT: give at least one picture or folder"),
    ],
)
def test_a_users_mistake_is_one_line(folder, arguments, message, capsys):
    assert run(*[argument.replace("{in}", str(folder)) for argument in arguments]) == 2
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    assert message in captured


def test_a_metric_without_its_weights_is_left_out_with_a_message(monkeypatch):

    def fetch(file):
        raise UsageError(f"{file.filename} is not on this machine")

    monkeypatch.setattr(files, "fetch", fetch)
    messages = []
    found = files.measures(["ma", "pi"], "pyiqa", lambda name, error: messages.append((name, str(error))))
    assert [measure.columns for measure in found] == [("pi_niqe",)]
    assert messages == [("ma", "ma-model.mat is not on this machine"), ("pi", "ma-model.mat is not on this machine")]
    with pytest.raises(UsageError, match=r"ma-model.mat is not on this machine"):
        files.measures(["ma"], "pyiqa", lambda *_: None)


def test_pi_prints_its_parts_and_ma_is_not_computed_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "fetch", lambda file: tmp_path / file.filename)
    found = files.measures(["ma", "pi", "piqe"], "matlab", lambda *_: None)
    assert [measure.columns for measure in found] == [("pi", "pi_niqe", "ma"), ("piqe",)]


def test_scores_on_another_scale_have_another_name(folder, shared, tmp_path, monkeypatch, capsys):
    """NIMA by idealo's MobileNet is not that of the paper."""
    pytest.importorskip("h5py")
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    weights = shared / "weights" / "iqa" / "nima_mobilenet_aesthetic_0.07.hdf5"
    (tmp_path / "cache" / "weights" / AESTHETIC.filename).write_bytes(weights.read_bytes())
    arguments = [folder, "--metrics=nima", "--reference=idealo", "--format=json"]
    assert run(*arguments, f"--against={folder}") == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["mean"]) == {"nima_mobilenet"}
    assert all(1 < row["nima_mobilenet"] < 10 for row in printed["images"])
    assert printed["differences"]["nima_mobilenet"]["equal"] == 2


def test_metrics_of_columns():
    assert [of_column(name).name for name in ("brisque", "pi_niqe", "nima_mobilenet_technical")] == [
        "brisque",
        "pi",
        "nima",
    ]
    with pytest.raises(UsageError, match="metric: unknown value 'unknown'"):
        of_column("unknown_part")

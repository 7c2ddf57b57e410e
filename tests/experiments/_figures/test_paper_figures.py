"""The figures of a paper: what they show, that two runs give the same bytes, and messages."""

import base64
import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from drujax.console import command_line
from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from drujax.uncertainty.rp_table import save_tables
from experiments import figures
from experiments._figures import curves, rp, sheet, style
from experiments._figures.rp import TABLES
from experiments._tables.jobs import DONE

pytestmark = pytest.mark.usefixtures("command")
RANDOM = np.random.default_rng(5)


def run(*arguments) -> int:
    return figures.main([str(argument) for argument in arguments])


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, in place of their files."""
    found = []
    for module in (curves, rp):
        monkeypatch.setattr(module, "save", lambda figure, path: found.append(figure) or [path])
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper") / "D"
    prepare(Scenes(30, (32, 48)), folder, crop=32, quiet=True)
    return folder


@pytest.fixture(scope="module")
def rp_run(data, tmp_path_factory):
    """A run whose relativistic probabilities rise by equal steps."""
    folder, dataset = tmp_path_factory.mktemp("run"), Dataset.open(data)
    tables = {
        name: np.linspace(0.1, 1, len(dataset.table(f"train_{name}")), dtype=np.float32) for name in ("dark", "bright")
    }
    save_tables(folder / TABLES, tables, dataset)
    return folder


def fake_run(folder, seed=0, steps=6, **options):
    """The folder of a run that logged: at step k, loss = k + seed."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"method": "sci", "seed": seed, "recipe": {"size": 32}, **options}))
    lines = [json.dumps({"step": k, "loss": float(k + seed), "finite": 1.0}) for k in range(1, steps + 1)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 99, "lo')  # killed while writing the last
    return folder


# ----- relativistic probabilities


def test_rp_shows_every_training_picture(data, rp_run, drawn, tmp_path):
    assert run("rp", f"--data={data}", f"--workdir={rp_run}", f"--out={tmp_path / 'rp.svg'}") == 0
    (figure,) = drawn
    dark, _, against = figure.axes
    rows = {name: Dataset.open(data).table(f"train_{name}") for name in ("dark", "bright")}
    assert [text.get_text() for text in dark.get_legend().get_texts()] == [f"dark ({len(rows['dark'])})"]
    lines = {line.get_label(): line for line in against.get_lines()}
    lumas = [np.mean(row.quartile_means) for row in rows["bright"]]
    np.testing.assert_allclose(lines["bright"].get_xdata(), lumas)
    np.testing.assert_allclose(lines["bright"].get_ydata(), np.linspace(0.1, 1, len(lumas)), atol=1e-6)
    np.testing.assert_allclose(lines["dark"].get_ydata(), 1 - np.linspace(0.1, 1, len(rows["dark"])), atol=1e-6)
    curve = lines["sigmoid"].get_ydata()
    assert np.all(np.diff(curve) > 0)


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_two_runs_give_the_same_bytes(data, rp_run, tmp_path, suffix, capsys):
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        assert (
            run("rp", f"--data={data}", f"--workdir={rp_run}", f"--out={folder / f'rp{suffix}'}", "--width=column") == 0
        )
        contents.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "b" / "rp.png")
    with Image.open(tmp_path / "a" / "rp.png") as picture:
        assert picture.width == round(style.WIDTHS["column"] * style.DPI)


def test_a_missing_matplotlib_is_one_line(data, rp_run, tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    command = ["rp", f"--data={data}", f"--workdir={rp_run}", f"--out={tmp_path / 'rp.svg'}"]
    assert command_line.run(lambda: figures.main(command), "experiments.figures") == 2
    expected = "experiments.figures: error: matplotlib is not installed: pip install 'drujax[figures]'\n"
    assert capsys.readouterr().err == expected


# ----- training curves


def test_runs_of_several_seeds_are_one_curve_with_a_band(tmp_path, drawn):
    runs = [fake_run(tmp_path / f"s{seed}", seed=seed, steps=5 + seed) for seed in (0, 1, 3)]
    other = fake_run(tmp_path / "wide", recipe={"size": 64})
    assert run("curves", *runs, other, f"--out={tmp_path / 'c.svg'}") == 0
    (axis,) = drawn[0].axes
    assert axis.get_title(loc="left") == "loss"
    first, second = axis.get_lines()
    assert first.get_label() == "recipe.size=32 (3 runs)"
    assert second.get_label() == "recipe.size=64"
    np.testing.assert_array_equal(first.get_xdata(), [1, 2, 3, 4, 5])  # all have logged these
    np.testing.assert_allclose(first.get_ydata(), np.arange(1, 6) + 4 / 3)
    (band,) = axis.collections
    assert band.get_datalim(axis.transData).bounds == pytest.approx((1, 1, 4, 7))  # from 1 + 0 to 5 + 3


def test_labels_of_runs(tmp_path, drawn):
    """LABEL=RUN; the row of a table; the folder, where the runs differ in too much to name."""
    given = fake_run(tmp_path / "a")
    row = fake_run(tmp_path / "train-0123", weighting="mean")
    (row / DONE).write_text(json.dumps({"name": "DRU, 30% of the labels wrong, seed 1: train", "seconds": 1}))
    long = fake_run(tmp_path / "long", weighting="mean", backbone="b" * 50)
    run("curves", f"Ours={given}", row, long, f"--out={tmp_path / 'c.svg'}")
    labels = [line.get_label() for line in drawn[0].axes[0].get_lines()]
    assert labels == ["DRU, 30% of the labels wrong", "long", "Ours"]


def test_smoothing_averages_logged_values():
    logged = curves.Run(np.arange(4.0), {"loss": np.array([0.0, 2.0, 4.0, 10.0])})
    steps, values = curves.joined([logged], "loss", 2)
    np.testing.assert_array_equal(steps, [1, 2, 3])
    np.testing.assert_array_equal(values, [[1, 3, 7]])
    assert curves.joined([logged], "loss", 99)[1].tolist() == [[4.0]]


# ----- sheets of pictures


def test_a_sheet_holds_the_pictures_themselves(tmp_path):
    """The SVG embeds each picture without loss, in its place and in its own aspect."""
    pictures = [[RANDOM.integers(0, 256, (h, w, 3), dtype=np.uint8) for w in (30, 60)] for h in (20, 20)]
    sheet.draw_sheet(tmp_path / "s.svg", pictures, "column", rows=["one", "two"])
    text = (tmp_path / "s.svg").read_text()
    found = [np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB"))
             for code in re.findall(r"base64,([\w+/=\s]+)", text)]  # fmt: skip
    assert len(found) == 4
    for picture in (picture for row in pictures for picture in row):
        assert any(np.array_equal(picture, other) for other in found)
    assert text.count("<image") == 4


def test_gap_shows_input_natural_and_our_models(tmp_path, model, monkeypatch):
    from experiments._figures import gap

    shown = {}
    monkeypatch.setattr(
        gap, "draw_sheet", lambda path, rows, width, columns: shown.update(rows=rows, columns=columns) or [path]
    )
    write_picture(tmp_path / "night.png", Picture(RANDOM.integers(10, 40, (32, 48, 3), dtype=np.uint8)))
    out = tmp_path / "gap.svg"
    assert run("gap", tmp_path / "night.png", f"--natural=SCI={model}", f"--models=Ours={model}", f"--out={out}") == 0
    assert shown["columns"] == ["input", "SCI", "Ours"]
    ((given, natural, ours),) = shown["rows"]
    np.testing.assert_array_equal(given, read_picture(tmp_path / "night.png").rgb)
    np.testing.assert_array_equal(natural, ours)
    assert natural.mean() > given.mean()


@pytest.fixture
def tables(tmp_path):
    """A folder of tables in which two rows are scored, one of them twice."""
    jobs = tmp_path / "tables" / "jobs"
    scored = {"a": "Input: score", "b": "SCI, seed 0: score", "c": "RUAS, seed 0: score", "d": "RUAS, seed 0: score"}
    for key, name in scored.items():
        (folder := jobs / f"score-{key}").mkdir(parents=True)
        for number in (1, 2):
            picture = RANDOM.integers(0, 256, (8, 12, 3), dtype=np.uint8)
            write_picture(folder / f"{number}.png", Picture(picture))
        (folder / DONE).write_text(json.dumps({"name": name, "seconds": 1}))
    return tmp_path / "tables"


def test_figure_4_from_the_folder_of_tables(tables, tmp_path, capsys):
    out = tmp_path / "paper4.svg"
    command = ["paper4", f"--workdir={tables}", f"--out={out}", "--pictures", 2, 1]
    assert run(*command, "--rows", "Input", "SCI") == 0
    assert out.read_text().count("<image") == 4
    assert run(*command, "--rows", "Input", "SCI", "CLIP-LIT") == 1
    assert "no CLIP-LIT: it is not scored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["rp", "--data={data}", "--workdir={tmp}", "--out={tmp}/x.svg"],
            "--workdir: no relativistic probabilities in",
        ),
        (["rp", "--data={data}", "--workdir={tmp}", "--out={tmp}/x.png"], r"--out: must end in .svg or .pdf \(a .png"),
        (["rp", "--data={data}", "--workdir={tmp}", "--out={tmp}/no/x.svg"], "--out: folder not found"),
        (["curves", "--out={tmp}/x.svg"], "RUN: give at least one folder"),
        (["curves", "{tmp}", "--out={tmp}/x.svg"], "is not the folder of a run"),
        (
            ["curves", "{run}", "--out={tmp}/x.svg", "--metrics", "los"],
            "--metrics: unknown value 'los'. Did you mean loss",
        ),
        (["curves", "{run}", "--out={tmp}/x.svg", "--smooth=0"], "--smooth: must be >= 1, got 0"),
        (["gap", "--out={tmp}/x.svg"], "INPUT: give at least one picture"),
        (["gap", "{tmp}", "--out={tmp}/x.svg"], "--natural: no released model is on this machine"),
        (
            ["gap", "{tmp}", "--out={tmp}/x.svg", "--natural=curve", "--models=curve"],
            "--natural: curve is among --models",
        ),
        (["paper4", "--workdir={tables}", "--out={tmp}/x.svg", "--rows", "RUAS"], "RUAS was scored with different"),
        (["paper4", "--workdir={tables}", "--out={tmp}/x.svg", "--rows", "SCO"], "--workdir: none of SCO is scored"),
        (["paper4", "--workdir={tables}", "--out={tmp}/x.svg"], "--pictures: 5 of 2 pictures"),
        (
            ["paper4", "--workdir={tables}", "--out={tmp}/x.svg", "--pictures", "7"],
            r"--pictures: must be in 1..6, got 7",
        ),
    ],
)
def test_mistakes(data, tables, tmp_path, arguments, message):
    run_folder = fake_run(tmp_path / "some")
    names = {"data": data, "tmp": tmp_path, "run": run_folder, "tables": tables}
    with pytest.raises(UsageError, match=message):
        run(*(argument.format(**names) for argument in arguments))


def test_damaged_metrics_are_named(tmp_path):
    folder = fake_run(tmp_path / "r")
    (folder / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="metrics.jsonl: damaged metrics"):
        curves.read_run(folder)
    (folder / "metrics.jsonl").write_text('{"st')
    with pytest.raises(UsageError, match="RUN: nothing is logged yet"):
        curves.read_run(folder)

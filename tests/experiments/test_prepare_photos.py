"""`experiments.prepare photos`, from the command line."""

import numpy as np
import pytest
from PIL import Image

from drujax.pictures.io import read_picture
from tests.support.commands import run_prepare as run
from tests.support.tiny_translator import save_tiny_translator

pytestmark = pytest.mark.usefixtures("command")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        Image.fromarray(rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize("translator", ["scenimefy", "cartoongan", "animegan_v2"])
def test_translates_a_folder(translator, source, tmp_path, capsys):
    weights = save_tiny_translator(tmp_path / "a.npz", translator)
    arguments = ("photos", f"--source={source}", f"--weights={weights}", f"--out={tmp_path / 'out'}")
    assert run(*arguments, f"--translator={translator}") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 3 pictures translated\n"
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert run(*arguments, f"--translator={translator}") == 0
    assert "kept from an earlier run: 3\n" in capsys.readouterr().out


def test_unreadable_photographs_give_exit_code_1(source, tmp_path, capsys):
    (source / "bad.png").write_text("no photograph")
    weights = save_tiny_translator(tmp_path / "a.npz")
    assert run("photos", f"--source={source}", f"--weights={weights}", f"--out={tmp_path / 'out'}") == 1
    captured = capsys.readouterr()
    assert f"skipped: {source / 'bad.png'}: not a picture of a known kind" in captured.err
    assert captured.out.endswith("skipped as unreadable: 1\n")


def test_mistakes_are_one_line(source, tmp_path, capsys):
    weights = save_tiny_translator(tmp_path / "a.npz")
    usual = {"source": source, "out": tmp_path / "out", "weights": weights}
    for changes, message in (
        ({"translator": "cartoon"}, "--translator: unknown value 'cartoon'. Did you mean cartoongan?"),
        ({"weights": "nothing.pth"}, "--weights: unknown value 'nothing.pth'"),
        ({"source": tmp_path / "nothing"}, "--source: folder not found"),
        ({"source": "tfds:x"}, "--source: must be tfds:NAME:SPLIT"),
        ({"limit-size": 3}, "--limit-size: must be >= 64, got 3"),
        ({"out": source / "out"}, "--out: "),
        ({"sauce": "x"}, "unknown option: --sauce=x. Did you mean --source?"),
    ):
        assert run("photos", *(f"--{name}={value}" for name, value in (usual | changes).items())) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"prepare: error: {message}"), error
        assert error.count("\n") == 1


def test_the_dataset_is_prepared_as_before(tmp_path, capsys):
    assert run("--source=nothing", f"--out={tmp_path / 'data'}") == 2
    assert "--source: folder not found: nothing" in capsys.readouterr().err


@pytest.mark.slow
def test_photographs_become_a_dataset(shared, tmp_path, capsys):
    """With CartoonGAN's Shinkai weights, on real photographs."""
    source = tmp_path / "photos"
    source.mkdir()
    for path in sorted((shared / "images/natural").glob("*.jpg"))[:40:8]:
        with Image.open(path) as photo:
            photo.reduce(2).save(source / f"{path.stem}.png")
    weights = shared / "weights/translators/cartoongan_shinkai_fp16.npz"
    pseudo = tmp_path / "pseudo"
    assert run("photos", f"--source={source}", f"--weights={weights}", f"--out={pseudo}") == 0
    changes = [
        np.abs(read_picture(path).rgb.astype(int) - read_picture(source / path.name).rgb).mean()
        for path in pseudo.glob("*.png")
    ]
    assert len(changes) == 5
    assert 3 < np.mean(changes) < 60  # another look, but the same scene
    assert run(f"--source={pseudo}", f"--out={tmp_path / 'data'}", "--crop=64", "--low=120", "--high=121") == 0

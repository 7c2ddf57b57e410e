import numpy as np
import pytest
from tiny_model import save_tiny_model

from drujax import entry
from drujax.errors import UsageError
from drujax.images import Picture, read_picture, write_picture
from experiments import figures


def run(*arguments):
    return figures.main(entry.parse(figures.Config, arguments, program="figures"))


def test_scenes_beside_their_truth(tmp_path):
    model = save_tiny_model(tmp_path)
    out = tmp_path / "grid.png"
    assert run(f"--model={model}", "--rows=2", "--width=48", f"--out={out}") == 0
    grid = read_picture(out).rgb
    assert grid.shape == (28 + 2 * 27 + 4, 3 * 48 + 2 * 4, 3)
    dark, enhanced, truth = (grid[28:55, start : start + 48].mean() for start in (0, 52, 104))
    assert dark < enhanced
    assert dark < truth


def test_pictures_of_a_folder_by_two_models(tmp_path):
    model = save_tiny_model(tmp_path)
    frames = tmp_path / "frames"
    frames.mkdir()
    for index, size in enumerate([(20, 40), (60, 40), (20, 20)]):
        write_picture(frames / f"{index}.png", Picture(np.full((*size, 3), 30, np.uint8)))
    arguments = (f"--model={model}", f"--model={model}", f"--input={frames}", "--width=40")
    assert run(*arguments, f"--out={tmp_path / 'grid.png'}") == 0
    assert read_picture(tmp_path / "grid.png").rgb.shape == (28 + 20 + 60 + 40 + 2 * 4, 3 * 40 + 2 * 4, 3)


def test_mistakes(tmp_path):
    with pytest.raises(UsageError, match="--rows: 0 is under 1"):
        run("--rows=0", f"--out={tmp_path / 'grid.png'}")

"""`drujax convert` and `enhance` write the same pictures as the official test scripts of the compared methods."""

import numpy as np
import pytest

from drujax import cli
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture

pytestmark = pytest.mark.usefixtures("command")

# model, its authors' checkpoint, options of the network, how their script rounds, what it saves
SCRIPTS = [
    ("sci-easy", "sci_easy.pt", [], "floor", "sci", "easy_{}_out"),
    ("sci-medium", "sci_medium.pt", [], "floor", "sci", "medium_{}_out"),
    ("sci-difficult", "sci_difficult.pt", [], "floor", "sci", "difficult_{}_out"),
    ("ruas-lol", "ruas_lol.pt", [], "floor", "ruas", "lol_{}_u3"),
    ("ruas-upe", "ruas_upe.pt", [], "floor", "ruas", "upe_{}_u2"),
    ("ruas-dark", "ruas_dark.pt", [], "floor", "ruas", "dark_{}_u2"),
    ("zero-dce-pp", "zero_dce_pp_Epoch99.pth", ["--option=crop=True"], "nearest", "zero_dce_pp", "{}_s12_out"),
    ("clip-lit", "clip_lit_enhancement_model.pth", [], "nearest", "clip_lit", "released_reflect_{}_out"),
]


@pytest.mark.parametrize(("model", "checkpoint", "options", "rounding", "archive", "output"), SCRIPTS)
def test_pictures_equal_the_official_ones(
    shared, goldens, tmp_path, model, checkpoint, options, rounding, archive, output
):
    weights = tmp_path / f"{model}.safetensors"
    assert run("convert", shared / "weights" / "llie" / checkpoint, f"--model={model}", "-o", weights, *options) == 0
    for name in ("a", "b"):
        given = goldens("compared_methods/inputs")[f"{name}_u8"]
        alpha = np.full(given.shape[:2], 200, np.uint8)
        write_picture(tmp_path / f"{name}.png", Picture(given, alpha))
        out = tmp_path / f"{name}_out.png"
        how = ("--strength=1", f"--rounding={rounding}")
        assert run("enhance", tmp_path / f"{name}.png", "-o", out, f"--model={weights}", *how) == 0
        enhanced = read_picture(out)
        official = goldens(f"compared_methods/{archive}")[output.format(name)][0].transpose(1, 2, 0)
        levels = np.clip(official.astype(np.float32) * 255, 0, 255)
        levels = np.floor(levels + 0.5 if rounding == "nearest" else levels)
        assert enhanced.rgb.shape == levels.shape  # Zero-DCE++'s is cut to multiples of 12
        assert enhanced.alpha is not None
        assert enhanced.alpha.shape == levels.shape[:2]
        difference = np.abs(enhanced.rgb - levels)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3  # where the last bit of a float decides


def run(*arguments) -> int:
    return cli.main([str(argument) for argument in arguments])

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from drujax.console import command_line
from drujax.enhance.enhancer import Enhancer
from drujax.errors import UsageError
from drujax.pictures.grid import FRAME
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from experiments import figures

pytestmark = pytest.mark.usefixtures("command")
RANDOM = np.random.default_rng(4)


def run(*arguments) -> int:
    return figures.main([str(argument) for argument in arguments])


@pytest.fixture
def frames(tmp_path):
    """Three dark images of different shapes; the name of the first looks like an HTML tag."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, size in (("<b>&.png", (20, 40)), ("c.png", (60, 40)), ("d.png", (20, 20))):
        write_picture(folder / name, Picture(RANDOM.integers(10, 40, (*size, 3), dtype=np.uint8)))
    return folder


def test_scenes_next_to_their_ground_truth(tmp_path, model):
    out = tmp_path / "grid.png"
    assert run("scenes", f"--model={model}", "--rows=2", "--width=48", f"--out={out}") == 0
    grid = read_picture(out).rgb
    assert grid.shape == (28 + 2 * 27 + 4, 3 * 48 + 2 * 4, 3)
    dark, enhanced, truth = (grid[28:55, start : start + 48].mean() for start in (0, 52, 104))
    assert dark < enhanced
    assert dark < truth


def test_pictures_of_a_folder_by_two_models(tmp_path, frames, model):
    out = tmp_path / "grid.png"
    assert run("compare", frames, f"--models={model},again={model}", "--width=40", f"--out={out}") == 0
    grid = read_picture(out).rgb
    assert grid.shape == (28 + 20 + 60 + 40 + 2 * 4, 28 + 3 * 40 + 2 * 4, 3)
    first = read_picture(frames / "<b>&.png").rgb
    for column, picture in enumerate((first, Enhancer(model)(first), Enhancer(model)(first))):
        np.testing.assert_array_equal(grid[28:48, 28 + 44 * column : 68 + 44 * column], picture)


def test_a_detail_is_framed_and_enlarged(tmp_path, frames, model):
    out = tmp_path / "grid.png"
    crops = ("--crop=0,0,20,10", "--crop=10,20,20,20", "--crop=2,4,10,5")
    assert run("compare", frames, f"--models={model}", "--width=40", f"--out={out}", *crops) == 0
    grid = read_picture(out).rgb
    assert grid.shape == (28 + 20 + 20 + 60 + 40 + 40 + 20 + 5 * 4, 28 + 2 * 40 + 4, 3)
    given = read_picture(frames / "c.png").rgb
    whole, enlarged = grid[28 + 2 * 24 :][:60, 28:68], grid[28 + 2 * 24 + 64 :][:40, 28:68]
    assert np.all(whole[20:40, 10:12] == FRAME)
    np.testing.assert_array_equal(whole[22:38, 12:28], given[22:38, 12:28])
    assert np.all(enlarged[[0, -1]] == FRAME)
    expected = np.asarray(Image.fromarray(given[20:40, 10:30]).resize((40, 40), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(enlarged[2:-2, 2:-2], expected[2:-2, 2:-2])


class Page(HTMLParser):
    """Parses a page into URLs, images by alt text, headings and captions."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.pictures, self.texts, self._within = [], {}, [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = {name: value or "" for name, value in attrs}
        self._within = tag
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag == "img":
            content = base64.b64decode(named["src"].partition(",")[2])
            self.pictures[named["alt"]] = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def handle_data(self, data):
        if self._within in ("h2", "figcaption") and data.strip():
            self.texts.append(data.strip())


def test_the_page_embeds_all_images_losslessly_and_is_self_contained(tmp_path, frames, model):
    out = tmp_path / "compare.html"
    assert run("compare", frames, f"--models=<i>={model}", "--rows=2", f"--html={out}", "--crop=0,0,9,9") == 0
    text = out.read_text()
    page = Page(text)
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "http" not in re.sub(r"base64,[\w+/=]*", "", text.replace("http-equiv", ""))
    assert text.count('data-zoom="detail"') == 1
    assert len(page.pictures) == 4
    enhancer = Enhancer(model)
    for name in ("<b>&.png", "c.png"):
        given = read_picture(frames / name).rgb
        np.testing.assert_array_equal(page.pictures[f"{name}: input"], given)
        np.testing.assert_array_equal(page.pictures[f"{name}: <i>"], enhancer(given))
    assert page.texts == ["<b>&.png", "input", "<i>", "c.png", "input", "<i>"]


def test_outputs_of_cropping_models_are_padded(tmp_path, shared):
    from drujax.enhance.conversion import convert_checkpoint

    weights = tmp_path / "cut.safetensors"
    checkpoint = shared / "weights" / "llie" / "zero_dce_pp_Epoch99.pth"
    convert_checkpoint(checkpoint, model="zero-dce-pp", output=weights, options={"crop": True})
    write_picture(tmp_path / "a.png", Picture(RANDOM.integers(10, 40, (20, 30, 3), dtype=np.uint8)))
    out = tmp_path / "grid.png"
    assert run("compare", tmp_path / "a.png", f"--models={weights}", "--width=30", f"--out={out}") == 0
    enhanced = read_picture(out).rgb[28:, 28 + 34 :]
    assert enhanced.shape == (20, 30, 3)
    assert not enhanced[12:].any()
    assert not enhanced[:, 24:].any()
    assert enhanced[:12, :24].all()


@pytest.mark.parametrize(
    ("models", "labels"),
    [
        ("sci-medium, ruas-lol", ["sci-medium", "ruas-lol"]),
        ("runs/a,Ours=runs/b/", ["a", "Ours"]),
        ("runs/a/weights.safetensors,x/b.safetensors", ["a", "b"]),
        ("one/run,other/run", ["run (one/run)", "run (other/run)"]),
    ],
)
def test_models_are_labelled(models, labels):
    assert list(figures.named_models(models)) == labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compar"], "Did you mean compare?"),
        (["compare", "--out=x.png"], "INPUT: give at least one picture or folder"),
        (["compare", "{frames}"], "give --out=GRID.png, --html=PAGE.html, or both"),
        (["compare", "{frames}", "--out=x.xyz"], "cannot write a picture with suffix '.xyz'"),
        (["compare", "{frames}", "--html=x.png"], "--html: must end in .html, got x.png"),
        (["compare", "{frames}", "--out=x.png", "--rows=0"], "--rows: must be >= 1, got 0"),
        (
            ["compare", "{frames}", "--out=x.png", "--crop=1,2,3"],
            "--crop: must be X,Y,W,H in whole pixels, got '1,2,3'",
        ),
        (["compare", "{frames}", "--out=x.png", "--crop=1,2,0,3"], "W and H >= 1, got 1,2,0,3"),
        (["compare", "{frames}", "--out=x.png", "--crop=9,9,12,5"], "d.png, which is 20x20"),
        (["compare", "{frames}", "--out=x.png", "--crop=1,1,2,2", "--crop=1,1,2,2"], "once per picture (3), got 2"),
        (["compare", "{frames}", "--out=x.png", "--models=,"], "--models: give at least one name or path"),
        (["compare", "{frames}", "--out=x.png", "--models=a,a"], "two models have the same label"),
        (["compare", "{frames}", "--out=x.png", "--models=sci-medum"], "Did you mean sci-medium?"),
        (["compare", "{frames}", "--out=no/x.png"], "--out: folder not found: no"),
        (["compare", "{frames}", "--html=no/x.html"], "--html: folder not found: no"),
        (["scenes", "--width=0", "--out=x.png"], "--width: must be >= 1, got 0"),
        (["scenes", "--width=5000", "--out=x.png"], "--width: must be <= 4096, got 5000"),
        (["scenes"], "--out"),
    ],
)
def test_invalid_options_are_refused_in_one_line(frames, arguments, message, capsys):
    filled = [argument.format(frames=frames) for argument in arguments]
    assert command_line.run(lambda: figures.main(filled), "experiments.figures") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_an_unreadable_file_in_a_folder_is_skipped(frames, model, tmp_path, capsys):
    broken, out = frames / "broken.png", tmp_path / "grid.png"
    broken.write_bytes(b"no picture")
    assert run("compare", frames, f"--models={model}", "--width=20", f"--out={out}") == 1
    assert out.exists()
    assert "broken.png" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"broken.png"):
        run("compare", broken, f"--models={model}", f"--out={out}")

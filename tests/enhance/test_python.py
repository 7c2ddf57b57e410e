"""What `Enhancer` takes: arrays of any layout, images of Pillow, many images; and the examples of docs/python.md."""

import doctest
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.data.scenes import paint
from drujax.enhance.enhancer import Enhancer
from drujax.errors import UsageError
from experiments._formats.files import as_mode
from tests.support.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory):
    return Enhancer(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def dark():
    return (paint(2, 5, (24, 36)) // 4).astype(np.uint8)


@pytest.mark.parametrize("layout", ["fortran", "flipped", "read-only", "every second", "channels first", "big endian"])
def test_arrays_of_any_layout(enhancer, dark, layout):
    if layout == "big endian":
        given, plain = (dark.astype(dtype) * 257 for dtype in (">u2", np.uint16))
    else:
        spread = np.repeat(dark, 2, axis=1)
        given = {
            "fortran": np.asfortranarray(dark),
            "flipped": dark[::-1],
            "read-only": dark.copy(),
            "every second": spread[:, ::2],
            "channels first": np.moveaxis(np.ascontiguousarray(np.moveaxis(dark, -1, 0)), 0, -1),
        }[layout]
        given.flags.writeable = layout != "read-only"
        plain = given.copy(order="C")
    np.testing.assert_array_equal(enhancer(given, 1.0), enhancer(plain, 1.0))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_images_of_pillow_keep_their_mode_alpha_and_information(enhancer, dark, mode):
    image = as_mode(Image.fromarray(dark), mode)
    image.info = {"icc_profile": b"profile", "dpi": (72, 72)}
    found = enhancer(image, 1.0)
    assert (found.mode, found.size, found.info) == (mode, image.size, image.info)
    if "A" in mode:
        np.testing.assert_array_equal(np.asarray(found)[..., -1], np.asarray(image)[..., -1])
    assert np.asarray(found).astype(float).mean() > np.asarray(image).astype(float).mean()
    if mode == "RGB":
        np.testing.assert_array_equal(np.asarray(found), enhancer(dark, 1.0))


def test_palettes_become_colours(enhancer, dark):
    image = as_mode(Image.fromarray(dark), "P")
    assert enhancer(image, 1.0).mode == "RGB"
    image.info["transparency"] = 3
    found = enhancer(image, 1.0)
    assert (found.mode, found.info) == ("RGBA", {})
    np.testing.assert_array_equal(np.asarray(found)[..., 3], np.asarray(image.convert("RGBA"))[..., 3])


def test_other_images_of_pillow_are_refused(enhancer, dark):
    with pytest.raises(
        UsageError, match=r"^image: Pillow's mode CMYK is not one of RGB, .*; .convert\('RGB'\) makes one"
    ):
        enhancer(Image.fromarray(dark).convert("CMYK"))
    with pytest.raises(UsageError, match=r"^image: has no pixels \(0x4\)$"):
        enhancer(Image.new("RGB", (0, 4)))


def test_many_images_of_any_sizes_and_kinds(enhancer, dark):
    done = []
    images = [dark, dark[:10], Image.fromarray(dark), dark[None].repeat(2, 0) / 255]
    found = enhancer.map(iter(images), exposure=90.0, on_done=done.append)
    np.testing.assert_array_equal(next(found), enhancer(dark, exposure=90.0))
    assert done == [1]  # no further than asked for
    rest = list(found)
    assert [type(x) for x in rest] == [np.ndarray, Image.Image, np.ndarray]
    np.testing.assert_array_equal(rest[0], enhancer(dark[:10], exposure=90.0))
    assert done == [1, 2, 3, 4]


def test_the_examples_in_the_documentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).resolve().parents[2] / "docs" / "python.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0

"""Pictures at working scale: few shapes, and only what is visible."""

import numpy as np
import pytest

from drujax.enhance.working_scale import SIDE, at_working_scale, working_size
from drujax.pictures import vips
from drujax.pictures.color import luma

RANDOM = np.random.default_rng(2)


def seen(rgb, alpha=None):
    return at_working_scale(vips.of_array(rgb, alpha))


def scene(h: int, w: int, low: int = 20, high: int = 90) -> np.ndarray:
    blocks = RANDOM.integers(low, high, (-(-h // 8), -(-w // 8), 3), dtype=np.uint8)
    return np.ascontiguousarray(np.repeat(np.repeat(blocks, 8, 0), 8, 1)[:h, :w])


def test_there_are_few_shapes():
    shapes = {working_size(h, w) for h in range(1, 3000, 37) for w in range(1, 3000, 41)}
    assert len(shapes) == 13
    assert working_size(1080, 1920) == working_size(540, 960) == (SIDE, 320)
    assert working_size(1920, 1080) == (320, SIDE)
    assert working_size(1, 10**6) == (SIDE, 3 * SIDE)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (50, 31), (192, 256), (500, 900), (2000, 30)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_size_and_type(size, dtype):
    levels = scene(*size)
    images = {np.uint8: levels, np.uint16: levels * np.uint16(257), np.float32: (levels / 255).astype(np.float32)}
    small = seen(images[dtype])
    assert small is not None
    assert small.shape == (*working_size(*size), 3)
    assert small.dtype == np.float32
    assert small.mean() == pytest.approx(levels.mean() / 255, rel=0.05)
    np.testing.assert_allclose(small, seen(images[np.uint8]), atol=1e-3)


def test_transparent_pixels_do_not_count():
    rgb, alpha = scene(200, 300), np.zeros((200, 300), np.uint8)
    alpha[60:140, 100:200] = 255
    black, white = rgb.copy(), rgb.copy()
    black[alpha == 0], white[alpha == 0] = 0, 255
    of_black, of_white = seen(black, alpha), seen(white, alpha)
    assert of_black is not None
    np.testing.assert_allclose(of_black, of_white, atol=2e-3)
    visible = rgb[60:140, 100:200] / 255
    assert luma(of_black).mean() == pytest.approx(luma(visible).mean(), rel=0.1)
    assert luma(of_black).min() > 0.5 * luma(visible).min()


def test_bars_do_not_count():
    rgb = scene(240, 320, 40, 90)
    bars = rgb.copy()
    bars[:30], bars[210:], bars[:, :20] = 0, 2, 0
    small = seen(bars)
    assert small is not None
    assert luma(small).min() > 0.5 * luma(rgb).min() / 255
    np.testing.assert_allclose(luma(small).mean(), luma(rgb[30:210, 20:] / 255).mean(), rtol=0.1)


def test_dark_borders_of_a_picture_that_are_not_black_stay():
    rgb = scene(200, 320)
    rgb[:60] = 9
    small = seen(rgb)
    assert small is not None
    assert luma(small[:40]).max() < 0.06


def test_nothing_visible():
    assert seen(np.zeros((30, 40, 3), np.uint8)) is None
    assert seen(scene(30, 40), np.zeros((30, 40), np.uint8)) is None

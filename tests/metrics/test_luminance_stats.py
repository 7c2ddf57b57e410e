"""Luminance and colour statistics on images with known values."""

import numpy as np

from drujax.metrics.luminance_stats import clipped, colourfulness, mean_luma

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (2, 12, 17, 3), dtype=np.uint8)


def test_mean_luma():
    expected = (PICTURES @ np.array([0.299, 0.587, 0.114])).mean(axis=(1, 2))
    np.testing.assert_allclose(mean_luma(PICTURES), expected)
    np.testing.assert_allclose(mean_luma(PICTURES / 255), expected)


def test_fractions_of_clipped_pixels():
    picture = np.full((2, 5, 3), 100, np.uint8)
    picture[0, 0] = 0
    picture[0, 1] = (0, 0, 1)
    picture[1, :2] = (255, 3, 0)
    np.testing.assert_allclose(clipped(picture), [[0.1, 0.2]])
    np.testing.assert_allclose(clipped(picture / 255), [[0.1, 0.2]])
    np.testing.assert_allclose(clipped(picture.astype(np.uint16) * 257), [[0.1, 0.2]])


def test_colourfulness():
    grey = np.repeat(PICTURES[..., :1], 3, axis=-1)
    assert colourfulness(grey).tolist() == [0, 0]
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200  # rg 200, yb 100 everywhere
    np.testing.assert_allclose(colourfulness(red), 0.3 * np.hypot(200, 100))
    red[:2] = 0  # half of it: means 100 and 50, deviations 100 and 50
    np.testing.assert_allclose(colourfulness(red), 1.3 * np.hypot(100, 50))
    np.testing.assert_allclose(colourfulness(PICTURES / 255), colourfulness(PICTURES))

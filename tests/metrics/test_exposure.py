"""Columns of a pair: each answers its own question, and no other."""

import numpy as np
import pytest

from drujax.data.scenes import pair
from drujax.errors import UsageError
from drujax.metrics.exposure import correlation, pair_columns
from drujax.metrics.loe import loe


@pytest.fixture(scope="module")
def scene():
    dark, bright = pair(3, 1, (96, 128))
    return dark, bright


def test_the_day_itself(scene):
    dark, bright = scene
    columns = pair_columns(bright, dark, bright)
    assert columns["way"] == pytest.approx(1)
    assert columns["psnr"] > 80
    assert columns["luma_correlation"] == pytest.approx(1)
    assert columns["gradient_correlation"] == pytest.approx(1)
    assert columns["chroma_distance"] == columns["loe"] == 0


def test_the_dark_picture_went_no_way(scene):
    dark, bright = scene
    columns = pair_columns(dark, dark, bright)
    assert columns["way"] == 0
    assert columns["loe"] == pytest.approx(loe(dark, bright)[0])
    assert 0 < columns["luma_correlation"] < 1


def test_a_gain_alone_changes_the_exposure_alone(scene):
    _, bright = scene
    day = bright / 255 * 0.9
    half, eighth = (pair_columns(day * gain, day / 10, day) for gain in (0.5, 0.125))
    assert 0 < eighth["way"] < half["way"] < 1
    assert half["psnr"] > 100
    assert half["gradient_correlation"] > 0.97
    assert half["chroma_distance"] < 0.08  # of the 8 levels alone


def test_the_definitions_by_hand():
    """Two pixels: luma 8 and 24 at night, 56 and 120 by day."""
    dark, enhanced, bright = (
        np.repeat(np.array([[levels]], np.uint8)[..., None], 3, -1)[0] for levels in ([8, 24], [16, 48], [56, 120])
    )
    columns = pair_columns(enhanced, dark, bright)
    assert columns["luma"] == pytest.approx(32)
    assert columns["way"] == pytest.approx(np.log(2) / np.log(5.5), rel=1e-5)
    assert columns["psnr"] == pytest.approx(10 * np.log10(255**2 / (((44 - 56) ** 2 + (132 - 120) ** 2) / 2)), rel=1e-5)
    assert columns["luma_correlation"] == pytest.approx(1)
    chroma = np.sqrt(2) * (abs(16 / 24 - 56 / 64) + abs(48 / 56 - 120 / 128)) / 2
    assert columns["chroma_distance"] == pytest.approx(chroma, rel=1e-5)


def test_swapped_sky_and_ground_show_in_the_structure(scene):
    _, bright = scene
    columns = pair_columns(255 - bright, bright // 4, bright)
    assert columns["luma_correlation"] < 0
    assert columns["gradient_correlation"] < 0


def test_a_constant_picture_correlates_with_nothing():
    assert correlation(np.ones(5), np.arange(5.0)) == 0


def test_pictures_of_other_sizes_are_refused(scene):
    dark, bright = scene
    with pytest.raises(UsageError, match="enhanced: images and truth must have equal shapes"):
        pair_columns(bright[:50], dark, bright)

"""Situations of light: each shows what it is named for, and its truth is the same scene by day."""

import numpy as np
import pytest

from drujax.data.qab import classify, quartile_means
from drujax.data.scenes import SITUATIONS, situation
from drujax.errors import UsageError
from drujax.pictures.color import luma

SIZE = (96, 152)


def luma_of(name: str, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    dark, bright = situation(name, number, SIZE)
    return luma(dark.astype(float)), luma(bright.astype(float))


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("number", [0, 1])
def test_the_truth_is_lighter_and_aligned(name, number):
    dark, bright = luma_of(name, number)
    assert bright.mean() > 120
    if name == "bright":
        np.testing.assert_array_equal(dark, bright)
        return
    assert dark.mean() < 0.62 * bright.mean()
    again, _ = situation(name, number, SIZE)
    np.testing.assert_array_equal(luma(again.astype(float)), dark)


def test_numbers_are_scenes_of_their_own():
    assert np.abs(situation("moon", 0, SIZE)[1].astype(float) - situation("moon", 1, SIZE)[1]).mean() > 4
    assert np.abs(situation("moon", 0, SIZE)[1].astype(float) - situation("snow", 0, SIZE)[1]).mean() > 4


@pytest.mark.parametrize("name", ["lit town", "neon", "lamp"])
def test_lights_are_lit(name):
    dark, _ = luma_of(name)
    assert np.median(dark) < 60
    assert np.quantile(dark, 0.995) > 120


def test_neon_has_the_colours_of_neon():
    dark, _ = situation("neon", 0, SIZE)
    saturated = np.ptp(dark.astype(int), axis=-1)
    assert (saturated > 120).mean() > 0.004
    assert (np.ptp(situation("lit town", 0, SIZE)[0].astype(int), axis=-1) > 120).mean() < 0.004


def test_almost_black():
    dark, _ = luma_of("almost black")
    assert 1 < dark.mean() < 12


def test_bars_and_silhouettes_are_black_in_both():
    for picture in situation("letterboxed", 0, SIZE):
        assert not picture[:11].any()
        assert not picture[-11:].any()
        assert picture[40:50].any()
    dark, bright = luma_of("silhouette")
    black = bright < 10
    assert 0.04 < black.mean() < 0.4
    assert dark[black].max() < 10


def test_fog_takes_contrast_away():
    dark, bright = luma_of("fog")
    assert dark.std() < 25
    assert bright.std() < 40


def test_back_light_leaves_the_ground_dark():
    dark, bright = luma_of("back-light")
    assert dark[:32].mean() > 2.5 * dark[-32:].mean()
    assert bright[:32].mean() < 1.7 * bright[-32:].mean()


def test_snow_is_bright_by_day():
    _, bright = luma_of("snow")
    assert bright.mean() > 170


def test_the_uncertain_are_uncertain():
    partitions = [classify(quartile_means(situation("uncertain", number, SIZE)[0])) for number in range(4)]
    assert partitions.count("uncertain") >= 3


def test_mistakes():
    with pytest.raises(UsageError, match="situation: unknown value 'neom'. Did you mean neon?"):
        situation("neom", 0, SIZE)
    with pytest.raises(UsageError, match="number: must be >= 0, got -1"):
        situation("neon", -1, SIZE)

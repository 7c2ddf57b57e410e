"""Intervals over seeds and scene groups, and rank correlation."""

import math

import numpy as np
import pytest

from drujax.metrics.seeds import rank_correlation, seed_interval
from drujax.metrics.summary import bootstrap


def test_one_seed_is_the_bootstrap_over_groups():
    rng = np.random.default_rng(1)
    values, groups = rng.normal(size=40), np.repeat(np.arange(20), 2)
    np.testing.assert_allclose(seed_interval(values[None], groups), bootstrap(values, groups), atol=0.03)


def test_seeds_that_differ_widen_the_interval():
    """Scores that vary by 1 from seed to seed and hardly from image to image."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(6, 1)) + 0.01 * rng.normal(size=(6, 50))
    low, high = seed_interval(values)
    of_images = bootstrap(values.mean(axis=0))
    assert low < values.mean() < high
    assert high - low > 20 * (of_images[1] - of_images[0])


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Eight seeds and thirty images, both random: a percentile interval of so few seeds covers somewhat less."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(40):
        values = rng.normal(size=(8, 1)) + rng.normal(size=(1, 30)) + rng.normal(size=(8, 30))
        low, high = seed_interval(values)
        covered += low < 0 < high
    assert 32 <= covered <= 40


def test_a_single_image_and_seed_have_no_interval():
    assert all(map(math.isnan, seed_interval(np.ones((1, 1)))))


def test_rank_correlation():
    assert rank_correlation([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]) == pytest.approx(1)
    assert rank_correlation([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]) == pytest.approx(-1)
    assert rank_correlation([1.0, 2.0, 2.0, 3.0], [5.0, 6.0, 6.0, 9.0]) == pytest.approx(1)
    assert math.isnan(rank_correlation([1.0, 1.0], [2.0, 3.0]))
    assert math.isnan(rank_correlation([1.0], [2.0]))

"""What `experiments.calibration` measures, against sums written out."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drujax.uncertainty import calibration
from experiments._calibration import measures
from experiments._calibration.networks import as_logits


def ladders(margins_of: list[tuple[int, int, float]]) -> Any:
    """Pictures with ladders of (scene, kind, illumination) only."""
    scene, kind, light = map(np.array, zip(*margins_of, strict=True))
    return SimpleNamespace(ladders=SimpleNamespace(scene=scene, kind=kind, illumination=light))


def test_order_of_lightings():
    given = ladders([(0, 0, 0.1), (0, 0, 0.5), (0, 1, 0.3), (0, 1, 0.31), (1, 0, 0.2), (1, 0, 0.6)])
    margins = np.array([0.0, 1.0, 2.0, -1.0, 3.0, 3.0])
    # Of scene 0 in one kind only (0.1, 0.5) has an order (0.30 and 0.31 are too close), and it is right; of scene 1 it
    # is a tie.
    np.testing.assert_allclose(measures.order_shares(margins, given, one_kind=True), [1, 0.5])
    # Of scene 0 in any kind: .1<.3 right, .1<.31 wrong, .1<.5 right, .3<.5 wrong, .31<.5 right.
    np.testing.assert_allclose(measures.order_shares(margins, given, one_kind=False), [3 / 5, 0.5])


def test_frequencies_count_the_bright_among_equally_probable():
    probability = np.array([0.1, 0.2, 0.3, 0.9, 1.0])
    margins = np.log(probability) - np.log1p(-np.minimum(probability, 1 - 1e-12))
    means, shares, counts = measures.frequencies(margins, np.array([False, True, False, True, True]), 2)
    np.testing.assert_allclose(means, [0.2, 0.95])
    np.testing.assert_allclose(shares, [1 / 3, 1])
    assert counts.tolist() == [3, 2]


def test_rank_correlations():
    random = np.random.default_rng(0)
    truth = random.random(60)
    noisy = truth + 0.3 * random.random(60)
    value = measures.correlation(np.stack([noisy, truth]), truth)
    assert value.low < value.mean < value.high <= 1
    # Beyond what is known there is nothing in a copy with noise of what is known ...
    beyond = measures.correlation_given((noisy + random.random(60))[None], truth, noisy)
    assert beyond.low < 0 < beyond.high
    # ... and all in the truth.
    assert measures.correlation_given(truth[None], truth, noisy).mean == pytest.approx(1)
    assert math.isnan(measures.correlation_given(np.exp(noisy)[None], truth, noisy).mean)


def test_logits_have_the_margins():
    logits = as_logits(np.array([0.0, np.log(3)]))
    np.testing.assert_allclose(calibration.probabilities(logits), [[0.5, 0.5], [0.25, 0.75]])

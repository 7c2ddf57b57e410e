"""Means, intervals and comparisons of scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from drujax.metrics.summary import Scores, bootstrap, compare, sign_test

values = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(-1e6, 1e6), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(values, st.randoms())
def test_no_order_and_no_grouping_changes_anything(scores, random):
    names = list(scores)
    random.shuffle(names)
    cut = random.randint(0, len(names))
    parts = [Scores({name: scores[name] for name in some}) for some in (names[:cut], names[cut:])]
    whole = Scores(scores)
    for merged in (parts[0].merge(parts[1]), parts[1].merge(parts[0])):
        assert merged.by_picture == whole.by_picture
        assert merged.mean() == whole.mean()
        assert merged.interval() == whole.interval()


def test_pictures_count_once_and_what_is_no_number_not_at_all():
    scores = Scores({"a": 1.0, "b": math.nan, "c": 3.0})
    assert (scores.mean(), len(scores.by_picture)) == (2.0, 2)
    with pytest.raises(ValueError, match="c is in both"):
        scores.merge(Scores({"c": 3.0}))
    assert math.isnan(Scores({}).mean())
    assert all(map(math.isnan, Scores({}).interval()))


def test_the_interval_is_that_of_the_normal_for_many_values():
    sample = np.random.default_rng(0).normal(5, 2, 4000)
    half = 1.96 * 2 / np.sqrt(4000)
    np.testing.assert_allclose(bootstrap(sample), [sample.mean() - half, sample.mean() + half], atol=5e-3)
    assert bootstrap(np.array([7.0])) == (7.0, 7.0)


@pytest.mark.parametrize(("higher", "lower"), [(0, 0), (5, 0), (3, 4), (90, 60), (1000, 900)])
def test_sign_test_is_the_binomial_test(higher, lower):
    expected = binomtest(higher, higher + lower).pvalue if higher + lower else 1.0
    assert sign_test(higher, lower) == pytest.approx(expected, rel=1e-9)


def test_a_comparison_is_by_picture():
    first = Scores({"a": 1.0, "b": 2.0, "c": 3.0, "only here": 99.0})
    second = Scores({"a": 2.0, "b": 2.0, "c": 7.0, "only there": 0.0})
    result = compare(first, second)
    assert (result.higher, result.lower, result.equal) == (0, 2, 1)
    assert result.mean == pytest.approx(-5 / 3)
    assert -4 <= result.interval[0] <= result.mean <= result.interval[1] <= 0
    assert result.sign_test == 0.5

"""Means, intervals and comparisons of scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from drujax.metrics import summary
from drujax.metrics.summary import Scores, bootstrap, compare, sign_test

values = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(-1e6, 1e6), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(values, st.randoms())
def test_results_do_not_depend_on_order_or_batches(scores, random):
    names = list(scores)
    random.shuffle(names)
    cut = random.randint(0, len(names))
    parts = [Scores({name: scores[name] for name in some}) for some in (names[:cut], names[cut:])]
    whole = Scores(scores)
    for merged in (parts[0].merge(parts[1]), parts[1].merge(parts[0])):
        assert merged.by_image == whole.by_image
        assert merged.mean() == whole.mean()
        np.testing.assert_array_equal(merged.interval(), whole.interval())


@settings(max_examples=25, deadline=None)
@given(values, st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from("ab")))
def test_the_interval_over_groups_does_not_depend_on_order(scores, groups):
    turned = dict(reversed(scores.items())), dict(reversed(groups.items()))
    np.testing.assert_array_equal(Scores(turned[0]).interval(turned[1]), Scores(scores).interval(groups))


def test_images_count_once_and_nan_is_ignored():
    scores = Scores({"a": 1.0, "b": math.nan, "c": 3.0})
    assert (scores.mean(), len(scores.by_image)) == (2.0, 2)
    with pytest.raises(ValueError, match="c is in both"):
        scores.merge(Scores({"c": 3.0}))
    assert math.isnan(Scores({}).mean())
    assert all(map(math.isnan, Scores({}).interval()))


def test_the_interval_is_that_of_the_normal_for_many_values():
    sample = np.random.default_rng(0).normal(5, 2, 4000)
    half = 1.96 * 2 / np.sqrt(4000)
    np.testing.assert_allclose(bootstrap(sample), [sample.mean() - half, sample.mean() + half], atol=5e-3)
    assert bootstrap(np.array([7.0, 7.0])) == (7.0, 7.0)


@pytest.mark.parametrize(("higher", "lower"), [(0, 0), (5, 0), (3, 4), (90, 60), (1000, 900), (30_000, 30_200)])
def test_sign_test_is_the_binomial_test(higher, lower):
    expected = binomtest(higher, higher + lower).pvalue if higher + lower else 1.0
    assert sign_test(higher, lower) == pytest.approx(expected, rel=1e-9)


def test_a_comparison_is_image_by_image():
    first = Scores({"a": 1.0, "b": 2.0, "c": 3.0, "only here": 99.0})
    second = Scores({"a": 2.0, "b": 2.0, "c": 7.0, "only there": 0.0})
    result = compare(first, second)
    assert (result.higher, result.lower, result.equal) == (0, 2, 1)
    assert result.mean == pytest.approx(-5 / 3)
    assert -4 <= result.interval[0] <= result.mean <= result.interval[1] <= 0
    assert result.sign_test == 0.5


SCENES, VARIANTS, TRIALS = 40, 4, 150


def scenes(spread: float, shift: float = 0.0):
    """Trials of scores with the true mean `shift`; the variants of a scene differ by `spread` times as much as scenes
    do.
    """
    rng = np.random.default_rng(1)
    names = [f"{scene}/{variant}" for scene in range(SCENES) for variant in range(VARIANTS)]
    for _ in range(TRIALS):
        values = rng.normal(shift, 1, SCENES).repeat(VARIANTS) + rng.normal(0, spread, SCENES * VARIANTS)
        yield dict(zip(names, values.tolist(), strict=True)), {name: name.partition("/")[0] for name in names}


def test_the_interval_over_groups_has_its_nominal_coverage(monkeypatch):
    """Variants of a scene have similar scores: treating them as independent would halve the intervals."""
    monkeypatch.setattr(summary, "RESAMPLES", 1000)
    covered = {"independent": 0, "groups": 0}
    for values, groups in scenes(spread=0.1):
        for how, known in (("independent", None), ("groups", groups)):
            low, high = Scores(values).interval(known)
            covered[how] += low <= 0 <= high
    assert covered["groups"] / TRIALS > 0.9
    assert covered["independent"] / TRIALS < 0.75


def test_the_sign_test_over_groups_has_its_nominal_error_rate(monkeypatch):
    """Neither set is better: the test may reject in 5 % of the trials."""
    monkeypatch.setattr(summary, "RESAMPLES", 1)
    wrong = {"independent": 0, "groups": 0}
    for values, groups in scenes(spread=0.1):
        zero = Scores(dict.fromkeys(values, 0.0))
        for how, known in (("independent", None), ("groups", groups)):
            wrong[how] += compare(Scores(values), zero, known).sign_test < 0.05
    assert wrong["groups"] / TRIALS < 0.08
    assert wrong["independent"] / TRIALS > 0.2


def test_groups_by_hand():
    """Group a has three images, b one; an image without a group is its own group, even if a group has its name."""
    first = Scores({"w": 1.0, "x": 2.0, "y": 3.0, "z": 10.0, "a": -4.0})
    groups = {"w": "a", "x": "a", "y": "a", "z": "b", "elsewhere": "b"}
    assert first.count_groups(groups) == 3
    assert first.count_groups() == 5
    # Resamples of {6 of 3 images, 10 of 1, -4 of 1}: the least and the largest mean are those of one group alone.
    assert first.interval(groups) == (-4.0, 10.0)
    result = compare(first, Scores(dict.fromkeys("wxyz", 2.0)), groups)
    assert (result.higher, result.lower, result.equal, result.groups) == (2, 1, 1, 2)
    assert result.sign_test == 1.0  # a votes neither way, b alone is one vote
    single = compare(first, Scores(dict.fromkeys("wxyz", 2.0)))
    assert (single.groups, single.sign_test) == (4, 1.0)


def test_one_group_gives_no_interval():
    scores = Scores({"a": 1.0, "b": 3.0})
    assert all(map(math.isnan, scores.interval({"a": "one", "b": "one"})))
    assert all(map(math.isnan, Scores({"a": 1.0}).interval()))
    assert compare(Scores({}), scores, {"a": "one"}).groups == 0

import numpy as np
import pytest

from drujax.uncertainty import calibration


def test_probabilities_are_the_softmax_at_a_temperature():
    logits = np.array([[1.0, 3.0], [800.0, 0.0]], np.float32)
    expected = 1 / (1 + np.exp([1.0, -400.0]))
    np.testing.assert_allclose(calibration.probabilities(logits, 2.0)[:, 0], expected, rtol=1e-12)


def test_reliability_and_calibration_error_by_hand():
    """Three examples of confidence 0.9, two right; one of 0.6, wrong: |2/3 - 0.9| * 3/4 + |0 - 0.6| * 1/4."""
    probability = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.4, 0.6]])
    bins = calibration.reliability(probability, np.array([0, 1, 1, 0]))
    assert [bin_["count"] for bin_ in bins] == [1, 3]
    assert bins[1]["lower"] < 0.9 <= bins[1]["upper"]
    assert bins[1]["accuracy"] == pytest.approx(2 / 3)
    error = calibration.expected_calibration_error(bins)
    assert error == pytest.approx((0.9 - 2 / 3) * 3 / 4 + 0.6 / 4)


def test_certain_and_correct_predictions_are_calibrated():
    probability = np.array([[1.0, 0.0], [0.0, 1.0]])
    bins = calibration.reliability(probability, np.array([0, 1]))
    assert [(bin_["upper"], bin_["count"]) for bin_ in bins] == [(1.0, 2)]
    assert calibration.expected_calibration_error(bins) == 0


def test_likelihood_by_hand():
    logits = np.array([[0.0, np.log(3.0)], [0.0, 0.0]])
    expected = -(np.log(3 / 4) + np.log(1 / 2)) / 2
    assert calibration.negative_log_likelihood(logits, np.array([1, 0])) == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_fitted_temperature_undoes_a_scaling(temperature):
    """Labels drawn from softmax(z); logits are z * temperature."""
    random = np.random.default_rng(0)
    z = random.normal(0, 2, 20000)
    labels = (random.random(20000) < 1 / (1 + np.exp(-z))).astype(np.int32)
    logits = np.stack([np.zeros_like(z), z], 1) * temperature
    assert calibration.fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def logits_of(margins):
    return np.stack([np.zeros_like(margins), margins], 1)


def test_a_temperature_is_rejected_if_nothing_is_misclassified():
    """With 200 right answers a lower temperature is always likelier, and an uncertain picture would jump from .57 to
    certainty.
    """
    margins = np.random.default_rng(0).uniform(0.1, 3, 200) * np.repeat([-1, 1], 100)
    logits, labels = logits_of(margins), (margins > 0).astype(np.int32)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(calibration.TEMPERATURES[0], rel=1e-6)
    for sharpen in (False, True):
        scaling = calibration.fit_scaling(logits, labels, sharpen=sharpen)
        assert (scaling.fitted, scaling.applied) == (None, 1.0)
        assert "at the bound 0.05 of the search (0 of 200 images wrong)" in str(scaling.refused)


def test_a_temperature_is_rejected_for_random_predictions():
    """Confidently wrong as often as right: a higher temperature is always likelier."""
    logits = logits_of(np.tile([9.0, 9.0, -9.0, -9.0], 10))
    scaling = calibration.fit_scaling(logits, np.tile([0, 1], 20), sharpen=False)
    assert (scaling.fitted, scaling.applied) == (None, 1.0)
    assert "at the bound 20 of the search (20 of 40 images wrong)" in str(scaling.refused)


@pytest.mark.parametrize(("truth", "sharpen", "applied"), [(4.0, False, 4.0), (0.25, False, 1.0), (0.25, True, 0.25)])
def test_a_temperature_below_one_is_applied_only_with_sharpen(truth, sharpen, applied):
    random = np.random.default_rng(0)
    z = random.normal(0, 2, 20000)
    labels = (random.random(20000) < 1 / (1 + np.exp(-z))).astype(np.int32)
    scaling = calibration.fit_scaling(logits_of(z) * truth, labels, sharpen=sharpen)
    assert scaling.fitted == pytest.approx(truth, rel=0.05)
    assert scaling.applied == pytest.approx(applied, rel=0.05)
    assert (scaling.refused is None) == (applied == truth)
    assert applied == truth or "below 1 (sharpen allows it)" in str(scaling.refused)


@pytest.mark.parametrize("labels", [[], [1], [0, 0, 0]])
def test_a_temperature_needs_both_classes(labels):
    scaling = calibration.fit_scaling(np.ones((len(labels), 2)), np.array(labels, np.int32), sharpen=True)
    assert (scaling.fitted, scaling.applied) == (None, 1.0)
    assert f"{len(labels)} held-out images to fit on" in str(scaling.refused)


def test_without_held_out_images_values_are_none():
    report = calibration.assess(np.zeros((0, 2), np.float32), np.zeros(0, np.int32), 1.0)
    assert report["accuracy"] is None
    assert report["expected_calibration_error"] is None

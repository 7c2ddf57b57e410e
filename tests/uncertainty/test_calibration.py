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


def test_certain_and_right_is_calibrated():
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


def test_fitted_temperature_is_at_its_bound_where_nothing_is_misclassified():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    fitted = calibration.fit_temperature(logits, np.array([0, 1]))
    assert fitted == pytest.approx(calibration.TEMPERATURES[0], rel=1e-6)


def test_nothing_held_out_is_told_as_nothing():
    report = calibration.assess(np.zeros((0, 2), np.float32), np.zeros(0, np.int32), 1.0)
    assert report["accuracy"] is None
    assert report["expected_calibration_error"] is None

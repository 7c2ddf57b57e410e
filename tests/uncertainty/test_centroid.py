import jax
import numpy as np
import pytest

from drujax.uncertainty import centroid


@pytest.fixture
def clusters():
    """Features of two classes, which differ in the first of six directions."""
    labels = np.arange(2000) % 2
    features = np.random.default_rng(0).normal(0, [1.5, 9, 1, 1, 1, 1], (2000, 6)).astype(np.float32)
    features[:, 0] += 4 * labels
    return features, labels


def test_probability_is_the_softmax_of_squared_distances(clusters):
    features, labels = clusters
    fitted = centroid.fit(features, labels)
    means = np.stack([features[labels == 0].mean(0), features[labels == 1].mean(0)]).astype(np.float64)
    axis = (means[1] - means[0]) / np.linalg.norm(means[1] - means[0])
    variance = np.square((features - means[labels]) @ axis).mean()
    distance = ((features[:, None] - means) ** 2).sum(-1)
    expected = 1 / (1 + np.exp((distance[:, 1] - distance[:, 0]) / (2 * variance)))
    probability = jax.nn.softmax(centroid.logits(fitted, features))
    np.testing.assert_allclose(probability[:, 1], expected, atol=1e-4)


def test_probability_is_calibrated_for_gaussians(clusters):
    """One half at the midpoint; one standard deviation further, sigmoid(4 * 1.5 / 1.5²)."""
    fitted = centroid.fit(*clusters)
    points = np.zeros((2, 6), np.float32)
    points[:, 0] = [2, 3.5]
    probability = jax.nn.softmax(centroid.logits(fitted, points))[:, 1]
    assert probability[0] == pytest.approx(0.5, abs=0.05)
    assert probability[1] == pytest.approx(1 / (1 + np.exp(-4 / 1.5)), abs=0.02)


def test_probability_does_not_depend_on_the_scale_of_the_features(clusters):
    features, labels = clusters
    plain = centroid.logits(centroid.fit(features, labels), features)
    scaled = centroid.logits(centroid.fit(features * 1000, labels), features * 1000)
    np.testing.assert_allclose(plain, scaled, rtol=1e-3, atol=1e-3)


def test_two_pictures_and_equal_pictures_give_finite_probabilities():
    for features, least in ((np.array([[0, 0], [1, 1]], np.float32), 0.99), (np.ones((2, 2), np.float32), 0.5)):
        logits = centroid.logits(centroid.fit(features, np.array([0, 1])), features)
        probability = np.asarray(jax.nn.softmax(logits))
        assert np.isfinite(probability).all()
        assert probability[0, 0] >= least

import dataclasses
import json

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES, normalise
from drujax.uncertainty.confident_set import gather, hold_out, resize
from drujax.uncertainty.probability import CHUNK, labeller, train_probability_network


def test_it_tells_dark_from_bright_in_the_papers_order(network, pictures):
    probability = network.probabilities(example.image for example in pictures)
    assert probability.shape == (40, 2)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-6)
    assert np.all(probability[:24, 0] > 0.5)
    assert np.all(probability[24:, 1] > 0.5)


def test_probabilities_are_the_softmax_of_the_backbone(network, pictures, tiny):
    images = np.stack([resize(example.image, 16) for example in pictures])
    logits = BACKBONES[tiny].build(2).apply(network.variables, normalise(images), train=False)
    np.testing.assert_allclose(network.logits(images), logits, atol=1e-5)
    np.testing.assert_allclose(network.probabilities(images), jax.nn.softmax(logits), atol=1e-5)


def test_more_pictures_than_a_chunk_and_none_at_all(network, pictures):
    images = [pictures[i % 40].image for i in range(CHUNK + 6)]
    probability = network.probabilities(images)
    assert probability.shape == (CHUNK + 6, 2)
    np.testing.assert_allclose(probability[CHUNK:], network.probabilities(images[CHUNK:]), atol=1e-6)
    assert network.probabilities([]).shape == (0, 2)


def test_report_says_what_it_was_trained_on_and_how_well(trained, recipe):
    network, lines = trained
    report = json.loads(json.dumps(network.report))
    assert report["backbone"] == "tiny"
    assert report["recipe"] == dataclasses.asdict(recipe)
    assert report["training_pictures"] == {"dark": 20, "bright": 12}
    assert report["held_out_pictures"] == {"dark": 4, "bright": 4}
    assert report["accuracy"] == 1.0
    assert report["accuracy_by_class"] == {"dark": 1.0, "bright": 1.0}
    assert 0 < report["expected_calibration_error"] < 0.5
    assert lines[0] == "probability network: 20 dark and 12 bright to train on, 4 dark and 4 bright held out"
    assert "held-out accuracy 1.0000" in lines[-1]


def test_held_out_pictures_are_not_trained_on(tiny, network, pictures, recipe, lines):
    """Their negatives in their stead change the accuracy and nothing of the network."""
    held = hold_out(gather(pictures, 16), recipe.held_out, recipe.seed)
    images = [e._replace(image=255 - e.image) if h else e for e, h in zip(pictures, held, strict=True)]
    other = train_probability_network(images, tiny, "none", recipe, log=lines.append)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), other.variables, network.variables))
    assert other.report["accuracy"] == 0.0


def test_without_held_out_pictures_the_numbers_are_unknown(tiny, pictures, recipe, lines):
    network = train_probability_network(
        pictures, tiny, "none", dataclasses.replace(recipe, held_out=0.0), log=lines.append
    )
    assert network.report["accuracy"] is None
    assert (network.report["temperature"]["fitted"], network.temperature) == (None, 1.0)
    assert "unknown (nothing held out)" in lines[-1]


def test_temperature_scaling_is_off_and_divides_the_logits_when_asked(tiny, network, pictures, recipe, lines):
    scaled = train_probability_network(
        pictures, tiny, "none", dataclasses.replace(recipe, temperature_scaling=True), log=lines.append
    )
    images = [example.image for example in pictures]
    fitted = network.report["temperature"]["fitted"]
    assert network.temperature == network.report["temperature"]["applied"] == 1.0
    assert scaled.temperature == scaled.report["temperature"]["applied"] == fitted != 1.0
    np.testing.assert_array_equal(scaled.logits(images), network.logits(images))
    np.testing.assert_allclose(scaled.probabilities(images), jax.nn.softmax(network.logits(images) / fitted), atol=1e-5)
    after = scaled.report["temperature"]["after"]
    assert after["negative_log_likelihood"] < network.report["temperature"]["before"]["negative_log_likelihood"]
    assert scaled.report["expected_calibration_error"] == after["expected_calibration_error"]


def test_frozen_features_train_the_last_layer_alone(tiny, network, pictures, recipe, lines):
    longer = dataclasses.replace(recipe, freeze_features=True, epochs=60)
    frozen = train_probability_network(pictures, tiny, "none", longer, log=lines.append)
    initial = train_probability_network(
        pictures, tiny, "none", dataclasses.replace(longer, learning_rate=1e-30), log=lines.append
    )
    for part in ("conv", "bn"):
        leaves = [jax.tree.leaves(n.variables["params"][part]) for n in (frozen, initial)]
        assert all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))
    assert not np.array_equal(frozen.variables["params"]["fc"]["kernel"], initial.variables["params"]["fc"]["kernel"])
    assert frozen.report["accuracy"] == 1.0


def test_centroids_of_features(tiny, pictures, recipe, lines):
    asked = dataclasses.replace(recipe, centroid_features=tiny)
    network = train_probability_network(pictures, "centroid", "none", asked, log=lines.append)
    probability = network.probabilities(example.image for example in pictures)
    assert np.all(probability[:24, 0] > 0.5)
    assert np.all(probability[24:, 1] > 0.5)
    assert network.report["accuracy"] == 1.0
    assert not any("epoch" in line for line in lines)


def test_labeller_answers_for_the_uncertain_pictures(tiny, pictures, recipe, lines):
    label = labeller(tiny, "none", recipe, log=lines.append)
    images, labels = [e.image for e in pictures], np.array([e.label for e in pictures])
    probability = label(images, labels, [np.full((9, 9, 3), 20, np.uint8), np.full((9, 9, 3), 230, np.uint8)])
    assert probability[0, 0] > 0.5
    assert probability[1, 1] > 0.5


def test_unknown_names_are_told(pictures, recipe, lines):
    with pytest.raises(UsageError, match=r"--backbone: unknown value 'vit'. .*Choices: resnet18, .*centroid"):
        train_probability_network(pictures, "vit", "none", recipe, log=lines.append)

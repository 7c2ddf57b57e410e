import dataclasses
import json

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES, normalise
from drujax.uncertainty import calibration
from drujax.uncertainty.confident_set import gather, hold_out, resize
from drujax.uncertainty.probability import CHUNK, labeller, train_probability_network


def test_dark_and_bright_are_distinguished_in_the_papers_order(network, pictures):
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


def test_more_pictures_than_a_chunk_and_no_pictures(network, pictures):
    images = [pictures[i % 40].image for i in range(CHUNK + 6)]
    probability = network.probabilities(images)
    assert probability.shape == (CHUNK + 6, 2)
    np.testing.assert_allclose(probability[CHUNK:], network.probabilities(images[CHUNK:]), atol=1e-6)
    assert network.probabilities([]).shape == (0, 2)


def test_report_holds_training_set_and_accuracy(trained, recipe):
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
    """Replacing them by their negatives changes the accuracy but not the network."""
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


@pytest.fixture(scope="module")
def noisy(pictures):
    """Twice as many pictures, one in seven of the wrong class."""
    twice = [*pictures, *(example._replace(group=f"more {example.group}") for example in pictures)]
    return [e._replace(image=255 - e.image) if i % 14 in (4, 5) else e for i, e in enumerate(twice)]


def scaled_and_plain(examples, tiny, recipe, lines):
    halves = dataclasses.replace(recipe, held_out=0.5)
    plain = train_probability_network(examples, tiny, "none", halves, log=lines.append)
    asked = dataclasses.replace(halves, temperature_scaling=True)
    return train_probability_network(examples, tiny, "none", asked, log=lines.append), plain


def test_temperature_scaling_is_off_by_default_and_divides_the_logits(tiny, noisy, recipe, lines):
    scaled, plain = scaled_and_plain(noisy, tiny, dataclasses.replace(recipe, epochs=30), lines)
    images = [example.image for example in noisy]
    fitted = plain.report["temperature"]["fitted"]
    assert plain.temperature == plain.report["temperature"]["applied"] == 1.0
    assert scaled.temperature == scaled.report["temperature"]["applied"] == fitted > 1.0
    np.testing.assert_array_equal(scaled.logits(images), plain.logits(images))
    np.testing.assert_allclose(scaled.probabilities(images), jax.nn.softmax(plain.logits(images) / fitted), atol=1e-5)


def test_calibration_is_measured_on_images_not_used_for_the_temperature(tiny, noisy, recipe, lines):
    scaled, plain = scaled_and_plain(noisy, tiny, dataclasses.replace(recipe, epochs=30), lines)
    gathered = gather(noisy, 16)
    held = gathered.where(hold_out(gathered, 0.5, recipe.seed))
    fitting = hold_out(held, 0.5, recipe.seed)
    assert not set(held.where(fitting).groups) & set(held.where(~fitting).groups)
    logits = scaled.logits(held.images)
    assert scaled.temperature == calibration.fit_temperature(logits[fitting], held.labels[fitting])
    rest = calibration.assess(logits[~fitting], held.labels[~fitting], scaled.temperature)
    for key in ("expected_calibration_error", "negative_log_likelihood", "reliability"):
        assert scaled.report[key] == rest[key]
    assert scaled.report["temperature"]["after"]["expected_calibration_error"] == rest["expected_calibration_error"]
    assert scaled.report["calibration_pictures"] == held.where(~fitting).counts
    whole = calibration.assess(logits, held.labels, 1.0)
    assert scaled.report["accuracy"] == plain.report["accuracy"] == whole["accuracy"] < 1
    assert plain.report["expected_calibration_error"] == whole["expected_calibration_error"]
    assert any(line.startswith(f"probability network: temperature {scaled.temperature:.4g}, fitted") for line in lines)


def test_a_saturating_temperature_is_rejected_with_a_message(tiny, pictures, recipe, lines):
    """All held-out pictures are classified correctly: T stays 1 instead of falling to the bound of its search."""
    scaled, plain = scaled_and_plain(pictures, tiny, recipe, lines)
    assert scaled.report["accuracy"] == 1.0
    assert scaled.temperature == scaled.report["temperature"]["applied"] == 1.0
    assert scaled.report["expected_calibration_error"] == plain.report["expected_calibration_error"]
    grey = [np.full((9, 9, 3), 110, np.uint8)]
    np.testing.assert_array_equal(scaled.probabilities(grey), plain.probabilities(grey))
    (line,) = (line for line in lines if "temperature" in line)
    assert line.startswith("probability network: temperature 1, the likeliest temperature is at the bound 0.05")


def test_frozen_features_train_only_the_last_layer(tiny, network, pictures, recipe, lines):
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


def test_labeller_classifies_the_uncertain_pictures(tiny, pictures, recipe, lines):
    label = labeller(tiny, "none", recipe, log=lines.append)
    images, labels, groups = zip(*pictures, strict=True)
    uncertain = [np.full((9, 9, 3), 20, np.uint8), np.full((9, 9, 3), 230, np.uint8)]
    probability = label(images, np.array(labels), groups, uncertain)
    assert probability[0, 0] > 0.5
    assert probability[1, 1] > 0.5


def test_labeller_holds_out_whole_groups(tiny, pictures, recipe, lines):
    """Each dark picture has a copy in its group, and all bright ones are one group."""
    images, labels, _ = zip(*pictures, strict=True)
    groups = [f"dark{i // 12}" if label == 0 else "bright" for i, label in enumerate(labels)]
    labeller(tiny, "none", recipe, log=lines.append)(images, np.array(labels), groups, images[:1])
    assert lines[0] == "probability network: 24 dark and 16 bright to train on, 0 dark and 0 bright held out"


def test_unknown_names_are_refused(pictures, recipe, lines):
    with pytest.raises(UsageError, match=r"backbone: unknown value 'vit'. .*Choices: resnet18, .*centroid"):
        train_probability_network(pictures, "vit", "none", recipe, log=lines.append)

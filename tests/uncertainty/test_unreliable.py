"""The classifier that was never trained for the task: it moves pictures, not the sizes of the sets."""

import numpy as np
import pytest

from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.relabel import label_changes, relabelled
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from drujax.uncertainty.unreliable import standardised, unreliable_labels
from drujax.weights.pretrained import backbones


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("scenes") / "D"
    prepare(Scenes(60, (24, 32)), folder, crop=24, quiet=True)
    return Dataset.open(folder)


def noise(dataset, labels):
    changed = label_changes(relabelled(dataset, labels))
    return (changed["dark_to_bright"] + changed["bright_to_dark"]) / changed["pictures"]


def test_a_random_layer_flips_many_labels_and_keeps_the_sizes(tiny, scenes, lines):
    found = [unreliable_labels(scenes, tiny, "none", resolution=16, seed=seed, log=lines.append) for seed in (0, 0, 1)]
    for labels in found:
        noisy = relabelled(scenes, labels)
        assert len(noisy.train_dark) == len(scenes.train_dark)
        assert len(noisy.train_bright) == len(scenes.train_bright)
        assert noise(scenes, labels) > 0
    assert found[0] == found[1] != found[2]
    assert lines == []


def test_training_the_layer_makes_it_reliable(tiny, scenes, lines):
    noises = [
        noise(scenes, unreliable_labels(scenes, tiny, "none", epochs=epochs, resolution=16, seed=1, log=lines.append))
        for epochs in (0, 300)
    ]
    assert noises[1] < noises[0]
    assert noises[1] <= 0.1
    assert lines


def test_missing_weights_name_the_option(scenes, monkeypatch):
    """Which is not that of the probability network."""

    def refuse(file, *, otherwise):
        raise UsageError(otherwise)

    monkeypatch.setattr(backbones, "fetch", refuse)
    with pytest.raises(UsageError, match="^--relabel-pretrained=none starts from random weights"):
        unreliable_labels(scenes, "resnet18", "imagenet", resolution=32, log=print)


def test_features_are_standardised():
    inputs = np.random.default_rng(0).normal(3, 2, (50, 3)).astype(np.float32)
    inputs[:, 1] = 7
    scaled = standardised(inputs)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0), [1, 0, 1], atol=1e-6)

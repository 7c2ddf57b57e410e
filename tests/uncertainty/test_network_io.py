import dataclasses

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.uncertainty.network_io import load_network, save_network
from drujax.uncertainty.probability import train_probability_network
from drujax.weights.safetensors_io import save_weights


def assert_same_answers(path, network, pictures):
    save_network(path, network)
    loaded = load_network(path)
    images = [example.image for example in pictures[:3]]
    np.testing.assert_array_equal(loaded.probabilities(images), network.probabilities(images))
    assert loaded.report == network.report


def test_a_loaded_network_gives_the_same_probabilities(network, pictures, tmp_path):
    assert_same_answers(tmp_path / "a.safetensors", dataclasses.replace(network, temperature=2.5), pictures)


def test_centroids(tiny, pictures, recipe, lines, tmp_path):
    recipe = dataclasses.replace(recipe, centroid_features=tiny)
    network = train_probability_network(pictures, "centroid", "none", recipe, log=lines.append)
    assert_same_answers(tmp_path / "a.safetensors", network, pictures)


def test_another_network_is_refused(tmp_path):
    save_weights(tmp_path / "a.safetensors", {"params": {"x": np.zeros(1, np.float32)}}, {"network": "enlightengan"})
    with pytest.raises(UsageError, match="a.safetensors: holds the network enlightengan, not a probability"):
        load_network(tmp_path / "a.safetensors")

"""A network small enough to train within a test, and confident pictures for it."""

import numpy as np
import pytest

from drujax.uncertainty.confident_set import Example
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.probability import ProbabilityNetwork, train_probability_network
from tests.support.tiny_backbone import tiny_backbone


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """Registers it with the six backbones and returns its name."""
    with tiny_backbone() as name:
        yield name


@pytest.fixture(scope="module")
def recipe() -> ProbabilityRecipe:
    return ProbabilityRecipe(epochs=6, batch_size=8, learning_rate=3e-2, optimiser="adam", resolution=16)


@pytest.fixture(scope="module")
def pictures() -> list[Example]:
    """24 dark and 16 bright pictures of several sizes, in groups of two."""
    random = np.random.default_rng(0)
    examples = []
    for i in range(40):
        label = int(i >= 24)
        size = (20 + i % 5, 30 - i % 7, 3)
        image = random.integers(0, 60, size) if label == 0 else random.integers(170, 256, size)
        examples.append(Example(image.astype(np.uint8), label, f"group{i // 2}"))
    return examples


@pytest.fixture(scope="module")
def trained(tiny, pictures, recipe):
    """The network trained by `recipe`, and the lines of its log."""
    lines = []
    return train_probability_network(pictures, tiny, "none", recipe, log=lines.append), lines


@pytest.fixture(scope="module")
def network(trained) -> ProbabilityNetwork:
    return trained[0]


@pytest.fixture
def lines() -> list[str]:
    """The logged lines; pass `lines.append` as the log."""
    return []

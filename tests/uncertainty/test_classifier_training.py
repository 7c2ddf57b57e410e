import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES, normalise
from drujax.uncertainty.classifier_training import fit_head, fit_network, mix
from drujax.uncertainty.confident_set import gather
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.weights.pretrained.backbones import initialise


@pytest.fixture
def start(tiny):
    """The tiny backbone with its first variables."""
    variables = initialise(tiny, "none", num_classes=2, resolution=16, key=jax.random.key(0)).variables
    return BACKBONES[tiny].build(2), variables


def test_first_steps_are_sgd_with_momentum(start, pictures):
    """Two epochs of one batch, against explicit gradients and updates."""
    module, variables = start
    data = gather(pictures, 16)
    recipe = ProbabilityRecipe(epochs=2, batch_size=64, learning_rate=1e-2, resolution=16)
    fitted = fit_network(module, variables, data.images, data.labels, recipe, lambda line: None)

    x = normalise(jnp.asarray(data.images))
    params, stats, velocity = variables["params"], variables["batch_stats"], None
    for _ in range(2):

        def loss(params, stats=stats):
            logits, new = module.apply({"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"])
            chosen = jax.nn.log_softmax(logits)[jnp.arange(40), data.labels]
            return -chosen.mean(), new["batch_stats"]

        gradient, stats = jax.grad(loss, has_aux=True)(params)
        velocity = gradient if velocity is None else jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
        params = jax.tree.map(lambda p, v: p - 1e-2 * v, params, velocity)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), fitted["params"], params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), fitted["batch_stats"], stats)


def test_equal_seeds_give_equal_networks_and_keep_the_initial_variables(start, pictures, recipe):
    module, variables = start
    data, before = gather(pictures, 16), jax.tree.map(np.array, variables)
    runs = [fit_network(module, variables, data.images, data.labels, recipe, lambda line: None) for _ in range(2)]
    assert equal(*runs)
    assert equal(variables, before)
    other = dataclasses.replace(recipe, seed=1)
    assert not equal(runs[0], fit_network(module, variables, data.images, data.labels, other, lambda line: None))


def test_one_line_for_each_epoch(start, pictures, recipe, lines):
    module, variables = start
    data = gather(pictures, 16)
    fit_network(module, variables, data.images, data.labels, recipe, lines.append)
    assert len(lines) == recipe.epochs
    assert "epoch 6/6, loss 0." in lines[-1]
    assert "accuracy 1.0000" in lines[-1]


def test_the_head_is_trained_on_features(recipe):
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (64, 5)).astype(np.float32)
    labels = (features[:, 2] > 0).astype(np.int32)
    head = {"kernel": jnp.zeros((5, 2)), "bias": jnp.zeros(2)}
    fitted = fit_head(head, features, labels, dataclasses.replace(recipe, epochs=60), lambda line: None)
    scores = features @ np.asarray(fitted["kernel"]) + np.asarray(fitted["bias"])
    assert (scores.argmax(1) == labels).mean() > 0.95


def test_balanced_batches_have_an_even_prior(recipe, monkeypatch):
    """60 examples of class 0 and 4 of class 1, all identical: only the bias can learn, and it learns the prior."""
    labels = (np.arange(64) < 4).astype(np.int32)
    features = np.zeros((64, 1), np.float32)
    head = {"kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)}
    prior = {}
    for balanced in (False, True):
        asked = dataclasses.replace(recipe, epochs=80, balanced=balanced)
        prior[balanced] = jax.nn.softmax(fit_head(head, features, labels, asked, lambda line: None)["bias"])[1]
    assert prior[False] == pytest.approx(4 / 64, abs=0.03)
    assert prior[True] == pytest.approx(0.5, abs=0.06)


def test_about_half_of_the_pictures_are_flipped(tiny, start, recipe):
    """All pictures are identical and asymmetric; with flips, a network trained on them sees both orientations."""
    module, variables = start
    images = np.zeros((8, 16, 16, 3), np.uint8)
    images[:, :, :8] = 255
    labels = np.arange(8, dtype=np.int32) % 2
    one = dataclasses.replace(recipe, epochs=1)
    plain, flipped = (
        fit_network(module, variables, images, labels, dataclasses.replace(one, flip=flip), lambda line: None)
        for flip in (False, True)
    )
    assert not equal(plain["batch_stats"], flipped["batch_stats"])


def test_mixup_blends_neighbours_and_labels_with_the_same_weights():
    inputs = jnp.arange(5.0)[:, None, None] * jnp.ones((5, 2, 3))
    mixed, targets = (np.asarray(part) for part in mix(inputs, jnp.eye(5), 0.7, jax.random.key(0)))
    for i in range(5):
        share = targets[i, i]
        assert 0 <= share <= 1
        assert targets[i, i - 1] == pytest.approx(1 - share, abs=1e-6)
        expected = share * i + (1 - share) * ((i - 1) % 5)
        np.testing.assert_allclose(mixed[i], expected * np.ones((2, 3)), atol=1e-5)
    assert np.ptp(np.diag(targets)) > 0.05


def test_too_high_a_learning_rate_is_reported(start, pictures, recipe):
    module, variables = start
    data = gather(pictures, 16)
    wild = dataclasses.replace(recipe, optimiser="sgd", learning_rate=1e30)
    with pytest.raises(UsageError, match="learning rate, 1e.30, is too high"):
        fit_network(module, variables, data.images, data.labels, wild, lambda line: None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs: must be >= 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate: must be > 0, got 0.0"),
        ({"held_out": 1.0}, "held_out: must be >= 0 and < 1, got 1.0"),
        ({"mixup": -1.0}, "mixup: must be >= 0, got -1.0"),
        ({"flip": True, "freeze_features": True}, "flip: cannot be combined with freeze_features"),
        ({"temperature_scaling": True, "held_out": 0.0}, "temperature_scaling: needs held-out images"),
        ({"sharpen": True}, "sharpen: has no effect without temperature_scaling"),
    ],
)
def test_invalid_recipes_are_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        ProbabilityRecipe(**fields)


def test_the_default_recipe_is_the_papers():
    paper = ProbabilityRecipe()
    assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.momentum) == (80, 64, 1e-3, 0.9)
    assert (paper.optimiser, paper.resolution, paper.balanced, paper.mixup) == ("sgd", 224, False, 0.0)
    assert (paper.flip, paper.freeze_features, paper.temperature_scaling) == (False, False, False)


def test_adam_moves_each_weight_by_the_learning_rate(recipe):
    """Its first step, on one example."""
    head = {"kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)}
    features, labels = np.ones((1, 1), np.float32), np.zeros(1, np.int32)
    fitted = fit_head(head, features, labels, dataclasses.replace(recipe, epochs=1), lambda line: None)
    np.testing.assert_allclose(np.asarray(fitted["bias"]), [recipe.learning_rate, -recipe.learning_rate], rtol=1e-4)


def equal(a, b) -> bool:
    """Whether two trees have the same arrays, bit for bit."""
    return jax.tree.all(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b))

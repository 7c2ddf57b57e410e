"""Training of the compared methods: official losses and optimisers, and data uncertainty."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from drujax.losses import pairlie, retinex, zero_dce_pp
from drujax.methods.pairlie import PairLIE, exposures
from drujax.methods.registry import find_network
from drujax.methods.ruas import RUAS
from drujax.methods.sci import SCI
from drujax.methods.zero_dce import ZeroDCE
from drujax.methods.zero_dce_pp import ZeroDCEpp
from drujax.methods.zero_ig import ZeroIG
from drujax.training.batch import Weights, example_weights, unit_images
from drujax.training.state import step_key
from drujax.weights.torch_names import flatten, from_torch
from tests.support import tiny_batch
from tests.support.official import nhwc

METHODS = {
    "zero_dce_pp": ZeroDCEpp(features=4, ema_decay=0.5),
    "zero_dce": ZeroDCE(features=4),
    "sci": SCI(learning_rate=3e-4),
    "ruas": RUAS(learning_rate=0.015, denoise_every=3),
    "zero_ig": ZeroIG(learning_rate=3e-4, features=4, denoise_features=4),
    "pairlie": PairLIE(learning_rate=1e-3, features=4),
}
ONES = {name: np.ones_like(table) for name, table in tiny_batch.tables().items()}


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def steps():
    """method -> compiled step, the same program with and without tables."""
    return {name: jax.jit(method.step) for name, method in METHODS.items()}


@pytest.fixture(scope="module")
def starts():
    return {name: jax.jit(method.init)(jax.random.key(2)) for name, method in METHODS.items()}


def run(step, state, rp, count):
    for _ in range(count):
        state, metrics = step(state, tiny_batch.batch(), rp, {})
    return jax.device_get((state, metrics))


def test_rp_of_one_equals_training_without_weights(name, steps, starts):
    """RP = 1 everywhere changes no bit."""
    plain, weighted = (run(steps[name], starts[name], rp, 4)[0] for rp in (None, ONES))
    jax.tree.map(np.testing.assert_array_equal, plain, weighted)


def test_training_lowers_the_loss_and_the_result_can_be_exported(name, steps, starts):
    _, before = run(steps[name], starts[name], tiny_batch.tables(), 1)
    state, after = run(steps[name], starts[name], tiny_batch.tables(), 12)
    assert after["finite"] == 1
    assert after["loss"] - after.get("denoising", 0) < before["loss"]
    np.testing.assert_allclose(after["rp_dark"], np.mean([0.5, 0.9, 0.7, 0.7]), rtol=1e-6)
    variables, metadata = METHODS[name].export(state)
    row = find_network(metadata["network"])
    module = row.module(metadata["options"])
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, row.shapes(module))
    (shown,) = METHODS[name].preview(state, tiny_batch.batch()["dark"])
    assert shown.shape == tiny_batch.batch()["dark"].shape


def test_the_moving_average_is_updated(steps, starts):
    state, _ = run(steps["zero_dce_pp"], starts["zero_dce_pp"], None, 3)
    start, now, average = (flatten(v)["params/e_conv7.point_conv/bias"] for v in _all(starts, state))
    assert np.all((average - start) * (now - average) > 0)


def _all(starts, state):
    return starts["zero_dce_pp"].model.variables, state.model.variables, state.ema


# ----- the losses, with their weights


def loss(method, state, rp=None):
    weights = example_weights(tiny_batch.batch(), jax.tree.map(jnp.asarray, rp))
    return method.loss(state.model.variables, tiny_batch.batch(), weights, state, method.frozen)[0]


@pytest.mark.parametrize(("name", "smoothness_weight"), [("zero_dce_pp", 1600.0), ("zero_dce", 200.0)])
def test_weights_of_zero_dce(starts, name, smoothness_weight):
    method, state = METHODS[name], starts[name]
    images = jnp.concatenate(unit_images(tiny_batch.batch()))
    enhanced, curve = method.network.apply(state.model.variables, images)
    alone = np.concatenate(
        [
            zero_dce_pp.total(*(x[None] for x in xs), smoothness_weight=smoothness_weight)[0]
            for xs in zip(images, enhanced, curve, strict=True)
        ]
    )
    rp = np.concatenate([tiny_batch.tables()[s][tiny_batch.batch()[f"{s}_index"]] for s in ("dark", "bright")])
    np.testing.assert_allclose(loss(method, state, tiny_batch.tables()), (rp * alone).mean(), rtol=1e-5)


def test_weights_of_ruas(starts):
    method, state = METHODS["ruas"], starts["ruas"]
    dark, _ = unit_images(tiny_batch.batch())
    denoised, made = find_network("ruas").module({}).apply(state.model.variables, dark)
    enhancement = np.asarray(retinex.ruas_enhancement(dark, made[-1].illumination))
    denoising = np.asarray(retinex.ruas_denoising(made[-1].enhanced, denoised))
    rp = tiny_batch.tables()["dark"][tiny_batch.batch()["dark_index"]]
    np.testing.assert_allclose(loss(method, state, tiny_batch.tables()), (rp * enhancement).mean(), rtol=1e-5)
    third = state.replace(step=jnp.int32(2))  # in which noise removal learns
    both = (rp * (enhancement + denoising)).mean()
    np.testing.assert_allclose(loss(method, third, tiny_batch.tables()), both, rtol=1e-5)


def test_weights_of_pairlie(starts):
    """Both exposures of a pair are of one dark image, whose RP_d weights all terms."""
    method, state = METHODS["pairlie"], starts["pairlie"]
    dark, _ = unit_images(tiny_batch.batch())
    image, darker = exposures(dark, step_key(state), method.max_darkening)
    (_, one), (_, other) = (method.network.apply(state.model.variables, each) for each in (image, darker))
    alone, terms = pairlie.total(image, one, other.reflectance)
    assert alone.shape == (len(dark),)
    np.testing.assert_allclose(alone, terms["consistency"] + terms["retinex"] + 500 * terms["projection"], rtol=1e-6)
    rp = tiny_batch.tables()["dark"][tiny_batch.batch()["dark_index"]]
    np.testing.assert_allclose(loss(method, state, tiny_batch.tables()), (rp * alone).mean(), rtol=1e-5)


def test_exposures_of_pairlie():
    """Two files of one scene: whole levels, each image darkened by factors of its own between 1 and the largest."""
    dark = jnp.broadcast_to(jnp.linspace(0, 1, 256)[:, None, None], (64, 256, 2, 3))
    pair = np.asarray(exposures(dark, jax.random.key(0), 4.0))
    np.testing.assert_allclose(pair * 255, np.rint(pair * 255), atol=1e-4)
    factors = 1 / pair[:, :, -1, 0, 0]
    assert factors.min() >= 1
    assert factors.max() <= 4 * 1.01  # white becomes a whole level
    assert len(np.unique(factors)) > 64
    assert np.median(factors) == pytest.approx(2, rel=0.2)  # uniform in stops


def test_the_official_training_loss_of_sci(goldens, starts):
    """Three stages, with batch statistics."""
    expected = goldens("compared_methods/sci_losses")
    state = goldens("compared_methods/weights_sci_medium")
    method = METHODS["sci"]
    shapes = jax.eval_shape(method.init, jax.random.key(0)).model.variables
    variables = from_torch({key: value for key, value in state.items() if ".blocks." not in key}, shapes)
    image = nhwc(goldens("compared_methods/inputs")["a"])
    batch = {"dark": np.rint(image * 255).astype(np.uint8), "bright": np.zeros_like(image, np.uint8)}
    batch |= {"dark_index": np.int32([0]), "bright_index": np.int32([0])}
    weights = jnp.ones(1)
    found, _ = jax.jit(lambda v: method.loss(v, batch, Weights(weights, weights), starts["sci"], {}))(variables)
    np.testing.assert_allclose(found, expected["medium_a_train_loss_bn_train"], rtol=2e-5)


# ----- the optimisers


def clipped(gradients, norm):
    total = np.sqrt(sum((g**2).sum() for g in gradients.values()))
    return {k: g * min(1, norm / (total + 1e-6)) for k, g in gradients.items()}


@pytest.mark.parametrize(
    ("name", "norm", "decay"),
    [("zero_dce_pp", 0.1, 1e-4), ("zero_dce", 0.1, 1e-4), ("sci", 5.0, 3e-4), ("zero_ig", 5.0, 3e-4)],
)
def test_adam_decays_as_pytorch_does(name, norm, decay):
    """Against PyTorch's documented Adam: the decay is added to the clipped gradient, before the moments."""
    optimiser = METHODS[name].optimiser
    rate = METHODS[name].learning_rate
    rng = np.random.default_rng(0)
    params = {"a": rng.normal(size=(3, 2)), "b": rng.normal(size=4)}
    ours, state = jax.tree.map(jnp.asarray, params), None
    first = {k: np.zeros_like(v) for k, v in params.items()}
    second = {k: np.zeros_like(v) for k, v in params.items()}
    state = optimiser.init(ours)
    for step in range(1, 4):
        gradients = {k: rng.normal(size=v.shape) * 3 for k, v in params.items()}
        updates, state = optimiser.update(jax.tree.map(jnp.asarray, gradients), state, ours)
        ours = optax.apply_updates(ours, updates)
        for key, gradient in clipped(gradients, norm).items():
            g = gradient + decay * params[key]
            first[key] = 0.9 * first[key] + 0.1 * g
            second[key] = 0.999 * second[key] + 0.001 * g**2
            root = np.sqrt(second[key] / (1 - 0.999**step)) + 1e-8
            params[key] = params[key] - rate * first[key] / (1 - 0.9**step) / root
    for key, value in params.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-5, atol=1e-7)


def test_sgd_of_ruas(starts):
    """Against PyTorch's documented SGD: momentum of clipped, decayed gradients; every third step trains noise removal
    only.
    """
    optimiser = METHODS["ruas"].optimiser
    rng = np.random.default_rng(1)
    params = {name: {"w": rng.normal(size=5)} for name in ("enhance_net", "denoise_net")}
    ours = jax.tree.map(jnp.asarray, params)
    state = optimiser.init(ours)
    velocity = {name: None for name in params}
    for step in range(1, 7):
        gradients = {name: {"w": rng.normal(size=5) * 4} for name in params}
        updates, state = optimiser.update(jax.tree.map(jnp.asarray, gradients), state, ours)
        ours = optax.apply_updates(ours, updates)
        for name, rate in (("enhance_net", 0.015), ("denoise_net", 0.001)):
            if name == "denoise_net" and step % 3:
                continue
            g = clipped(gradients[name], 5.0)["w"] + 3e-4 * params[name]["w"]
            velocity[name] = g if velocity[name] is None else 0.9 * velocity[name] + g
            params[name]["w"] = params[name]["w"] - rate * velocity[name]
    for name in params:
        np.testing.assert_allclose(ours[name]["w"], params[name]["w"], rtol=1e-5)


def test_noise_removal_learns_each_third_step(steps, starts):
    state, changed = starts["ruas"], []
    for _ in range(6):
        before = state.model.params
        state, metrics = steps["ruas"](state, tiny_batch.batch(), None, {})
        same = jax.tree.map(lambda a, b: bool((a == b).all()), before, state.model.params)
        assert not any(jax.tree.leaves(same["enhance_net"]))
        changed.append(not all(jax.tree.leaves(same["denoise_net"])))
        assert (metrics["denoising"] > 0) == changed[-1]
    assert changed == [False, False, True] * 2


def test_ruas_starts_by_removing_no_noise(starts):
    """A random last layer would subtract a colour cast, which its few updates never undo."""
    dark, _ = unit_images(tiny_batch.batch())
    denoised, made = find_network("ruas").module({}).apply(starts["ruas"].model.variables, dark)
    np.testing.assert_array_equal(denoised, made[-1].enhanced)
    assert np.ptp(made[-1].enhanced) > 0


def test_ruas_starts_from_a_denoiser(goldens):
    from drujax.models.ruas import NoiseRemoval

    state = goldens("compared_methods/weights_ruas_denoise_init")
    shapes = jax.eval_shape(NoiseRemoval().init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    denoiser = from_torch(state, shapes)["params"]
    start = RUAS(denoiser=denoiser).init(jax.random.key(0))
    np.testing.assert_array_equal(start.model.params["denoise_net"]["stem"]["kernel"], denoiser["stem"]["kernel"])

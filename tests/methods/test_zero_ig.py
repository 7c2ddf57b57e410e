"""ZERO-IG against its official code, which was run in float64 with the weights and the image that are defined here."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from drujax.errors import UsageError
from drujax.losses import zero_ig as losses
from drujax.methods.config import preset_config
from drujax.methods.registry import find_network
from drujax.methods.zero_ig import Options, ZeroIG
from drujax.models.zero_ig import halves
from drujax.training.batch import Weights
from drujax.training.state import ModelState
from drujax.weights.torch_names import flatten, swap_kernel_layout, to_torch, torch_name
from tests.support.official import float64


def wave(name: str, shape: tuple[int, ...], number: int) -> np.ndarray:
    """The values of the tensor `name`, the `number`th in alphabetical order."""
    values = np.cos(np.arange(np.prod(shape)) * (1 + 0.1 * number)).reshape(shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * values
    if len(shape) == 4:
        return values / np.sqrt(np.prod(shape[1:]))
    return (1 if name.endswith("conv.1.weight") else 0) + 0.1 * values


@pytest.fixture(scope="module")
def official():
    """A state dict with the official names, those of the shared blocks included."""
    network = find_network("zero_ig")
    shapes = {torch_name(p): s.shape for p, s in flatten(network.shapes(network.module({}))).items()}
    layouts = {name: swap_kernel_layout(np.zeros(s), back=True).shape for name, s in shapes.items()}
    state = {name: wave(name, layouts[name], i) for i, name in enumerate(sorted(layouts))}
    shared = {n.replace(".conv.", f".blocks.{b}."): state[n] for n in state if ".conv." in n for b in range(3)}
    return state | shared | {"enhance.conv.1.num_batches_tracked": np.array(7)}


@pytest.fixture(scope="module")
def image():
    y, x, c = np.mgrid[:19, :26, :3]
    return (40 + 30 * np.sin(0.5 * x + c) + 25 * np.cos(0.8 * y - c * x / 9)).astype(np.uint8)


def converted(official):
    network = find_network("zero_ig")
    variables = network.convert(official, network.shapes(network.module({})))
    exact = {torch_name(path): path for path in flatten(variables)}  # `convert` rounds to float32
    return jax.tree.unflatten(
        jax.tree.structure(variables),
        [
            swap_kernel_layout(official[name]) if path.endswith("/kernel") else official[name]
            for name, path in exact.items()
        ],
    )


@pytest.mark.parametrize(
    ("denoise", "mean", "pixels"),
    [
        (False, 0.39375946711740323, [[0.4893144, 0.74318995, 0.68395902], [0.23017656, 0.63965256, 0.35277465]]),
        (True, 0.3772518792384613, [[0.36402149, 0.76401167, 0.73452631], [0.10850881, 0.65917404, 0.39720984]]),
    ],
)
def test_outputs(official, image, denoise, mean, pixels):
    network = find_network("zero_ig")
    module = network.module({"denoise": denoise})
    with float64():
        enhance = jax.jit(lambda v, x: network.enhance(module, v, x))
        enhanced = np.asarray(enhance(converted(official), image[None] / 255))
    np.testing.assert_allclose(enhanced.mean(), mean, rtol=1e-7)
    np.testing.assert_allclose(enhanced[0, [0, -1], [0, -1]], pixels, rtol=1e-6)


def test_three_steps(official, image):
    """Loss and gradient before each update, and the batch statistics and weights after the last."""
    batch = {"dark": image[None], "bright": image[None], "dark_index": np.int32([0]), "bright_index": np.int32([0])}
    method = ZeroIG(3e-4)
    with float64():
        variables = jax.tree.map(jnp.asarray, converted(official))
        state = dataclasses.replace(
            jax.jit(method.init)(jax.random.key(0)), model=ModelState.create(variables, method.optimiser)
        )
        ones = Weights(jnp.ones(1), jnp.ones(1))

        @jax.jit
        def gradients(params):
            return jax.grad(lambda p: method.loss(variables | {"params": p}, batch, ones, state, {})[0])(params)

        norms = {part: optax.tree.norm(of) for part, of in gradients(variables["params"]).items()}
        step, found = jax.jit(method.step), []
        for _ in range(3):
            state, metrics = step(state, batch, None, {})
            found.append(metrics["loss"])
        ours = to_torch(state.model.variables)
    expected = {"denoise_1": 219.96372834585478, "denoise_2": 867.8418747341725, "enhance": 41965.1219232164}
    for part, norm in expected.items():
        np.testing.assert_allclose(norms[part], norm, rtol=1e-5, err_msg=part)
    np.testing.assert_allclose(found, [518.829569967064, 7982.758590815163, 6580.630539405011], rtol=1e-5)
    np.testing.assert_allclose(
        ours["enhance.conv.1.running_mean"][:3], [0.08367622, -0.07688865, -0.00250766], atol=1e-7
    )
    np.testing.assert_allclose(ours["enhance.conv.1.running_var"][:3], [0.67931558, 0.31093302, 0.57499159], rtol=1e-6)
    np.testing.assert_allclose(
        ours["denoise_1.conv1.weight"].ravel()[:3], [0.19156272, 0.08643405, -0.11236503], atol=1e-7
    )


def test_losses_are_per_image():
    """All terms of two images are those of each alone, with the batch statistics kept out of it."""
    method = ZeroIG(features=4, denoise_features=4)
    variables = method.initial(jax.random.key(0))
    images = jnp.asarray(np.random.default_rng(0).uniform(0, 0.5, (2, 12, 13, 3)), jnp.float32)

    @jax.jit
    def terms(images):
        return losses.total(images, method.network.apply(variables, images, method="passes", train=False))[1]  # pyright: ignore[reportArgumentType]

    together, apart = terms(images), [terms(images[i : i + 1]) for i in range(2)]
    for name, term in together.items():
        np.testing.assert_allclose(term, np.concatenate([one[name] for one in apart]), rtol=1e-4, err_msg=name)


def test_halves_are_diagonals():
    x = jnp.arange(15.0).reshape(1, 3, 5, 1)
    anti, main = halves(x)
    np.testing.assert_array_equal(anti[0, ..., 0], [[3, 5]])  # (1 + 5) / 2, (3 + 7) / 2
    np.testing.assert_array_equal(main[0, ..., 0], [[3, 5]])  # (0 + 6) / 2, (2 + 8) / 2


def test_it_starts_as_the_official_code_does():
    """The illumination estimation from N(0, 0.02) without biases, the noise removals from PyTorch's weights."""
    params = ZeroIG().initial(jax.random.key(1))["params"]
    light, noise = params["enhance"]["conv.0"], params["denoise_1"]["conv2"]
    assert np.std(light["kernel"]) == pytest.approx(0.02, rel=0.03)
    assert not light["bias"].any()
    bound = 1 / np.sqrt(9 * 48)
    assert 0.95 * bound < np.abs(noise["bias"]).max() <= bound
    assert np.std(noise["kernel"]) == pytest.approx(bound / np.sqrt(3), rel=0.03)


def test_the_papers_losses_are_refused():
    config = preset_config("debug", "zero_ig")
    with pytest.raises(UsageError, match="loss_form: zero_ig has the official losses only, got paper"):
        dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, loss_form="paper"))


def test_it_can_train_on_one_picture():
    config = preset_config("debug", "zero_ig")
    assert not config.spec.one_image(config.options)
    assert config.spec.one_image(Options(one_picture=True))

"""CoLIE against its official code, which was run in float64 with the weights and the image that are defined here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.enhance.engine import build_engine
from drujax.enhance.enhancer import Enhancer
from drujax.enhance.loading import load_model
from drujax.errors import UsageError
from drujax.methods import colie, registry
from drujax.methods.colie import CoLIE, Fitted
from drujax.methods.config import config_type
from drujax.weights.torch_names import flatten, nest, swap_kernel_layout, torch_name
from tests.support.official import float64

SMALL = {"side": 32, "steps": 5, "window": 3}


@pytest.fixture(scope="module")
def image():
    y, x, c = np.mgrid[:37, :41, :3]
    return (40 + 30 * np.sin(0.5 * x + c) + 25 * np.cos(0.8 * y - c * x / 9)).astype(np.uint8)


def waves(module: CoLIE, value) -> dict:
    """Weights by a formula: of the tensors in alphabetical order, in PyTorch's layout."""
    shapes = flatten(jax.eval_shape(lambda: colie.initial_network(module, value)))
    variables = {}
    for number, path in enumerate(sorted(shapes, key=torch_name)):
        shape = shapes[path].shape[::-1]
        values = np.cos(np.arange(np.prod(shape)) * (1 + 0.1 * number)).reshape(shape)
        scale = 0.1 if len(shape) == 1 else np.sqrt(6 / shape[1]) / 30
        variables[path] = jnp.asarray(swap_kernel_layout(values * scale))
    return nest(variables)


def test_a_fit_and_its_picture(image):
    """The loss before the first and the last update, and the enhanced values and pixels."""
    module = registry.find_network("colie").module(SMALL)
    with float64():
        images = jnp.asarray(image[None] / 255)
        value = colie._sampled(images, side=32)[0]

        @jax.jit
        def fit(start):
            lights = [
                colie._illumination(module, v, value) for v in (start, colie.fitted_network(module, value, start))
            ]
            return [colie.illumination_loss(module, value, light) for light in lights], value / (lights[1] + 1e-4)

        found, fitted = fit(waves(module, value))
        enhanced = module.apply({}, images, Fitted(value[None], fitted[None]))
        assert isinstance(enhanced, jax.Array)
        found, fitted, enhanced = np.asarray(found), np.asarray(fitted), np.asarray(enhanced)[0]
    np.testing.assert_allclose(found, [12.256853022660554, 11.91619285981551], rtol=1e-6)
    np.testing.assert_allclose(fitted.mean(), 0.40090724462988325, rtol=1e-6)
    np.testing.assert_allclose(
        fitted[[0, -1, 13], [0, -1, 20]], [0.4155665025181684, 0.36603751602051354, 0.4124881566592846], rtol=1e-6
    )
    np.testing.assert_allclose(enhanced.mean(), 0.24623623122427402, rtol=1e-6)
    pixels = [
        [0.29353146, 0.40642817, 0.41545991],
        [0.21064214, 0.3838368, 0.23872776],
        [0.66173984, 0.08172883, 0.21354951],
    ]
    np.testing.assert_allclose(enhanced[[0, 36, 20], [0, 40, 11]], pixels, rtol=1e-5)


def test_it_starts_from_sirens_weights():
    """Uniform within 1 / inputs in the first layers, within sqrt(6 / inputs) / 30 in the next, and PyTorch's in the
    last.
    """
    module = CoLIE(side=16)
    params = jax.jit(lambda: colie.initial_network(module, jnp.zeros((16, 16))))()["params"]
    bounds = {"patch_net.0": 1, "spatial_net.0": 1 / 2, "patch_net.1": np.sqrt(6 / 256) / 30, "output_net.1": 1 / 16}
    for name, bound in bounds.items():
        assert 0.9 * bound < np.abs(params[name]["kernel"]).max() <= bound, name
    assert 0.9 / np.sqrt(2) < np.abs(params["spatial_net.0"]["bias"]).max() <= 1 / np.sqrt(2)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 133_121


def test_windows_are_rows_of_the_reflected_value():
    value = jnp.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(colie.windows(value, 3)[0], [4, 3, 4, 1, 0, 1, 4, 3, 4])
    np.testing.assert_array_equal(colie.windows(value, 1)[:, 0], np.arange(9))
    np.testing.assert_array_equal(colie.places(3)[:4], [[0, 0], [0.5, 0], [1, 0], [0, 0.5]])


def test_upsampling_keeps_edges():
    """A value that is half as large at low resolution is so at full size, sharp edges included."""
    full = jnp.asarray(np.random.default_rng(0).uniform(0.1, 1, (1, 24, 40)), jnp.float32)
    small = full[:, ::2, 5:29:2]
    np.testing.assert_allclose(colie.upsampled(small, 0.5 * small + 0.1, full), 0.5 * full + 0.1, atol=1e-5)
    even = jnp.full((1, 8, 8), 0.25)  # no variance: the mean
    np.testing.assert_allclose(colie.upsampled(even, 3 * even, jnp.full((1, 5, 7), 0.25)), 0.75, rtol=1e-6)


@pytest.fixture(scope="module")
def small_enhancer():
    enhancer = Enhancer.__new__(Enhancer)
    engine = build_engine({}, {"network": "colie", "options": {"side": 16, "steps": 3}}, "jax", None)
    enhancer._set_up(engine, guided=None, rounding="nearest")
    return enhancer


def test_pictures_of_any_size_share_one_fit(small_enhancer, image):
    """The fit is compiled once, and repeats itself exactly; a picture alone equals the same one of a batch."""
    colie._fitted.clear_cache()
    image = image // 4
    first = small_enhancer(image, strength=1.0)
    assert first.shape == image.shape
    assert first.mean() > 3 * image.mean()
    assert first.max() == 255
    for size in ((1, 1), (5, 3), (20, 30)):
        assert small_enhancer(image[: size[0], : size[1]], strength=1.0).shape == (*size, 3)
    assert colie._fitted._cache_size() == 1
    np.testing.assert_array_equal(small_enhancer(image, strength=1.0), first)
    both = small_enhancer(np.stack([image, image[::-1]]), strength=1.0)
    assert np.abs(both[0].astype(int) - first).max() <= 1


def test_hue_and_black_stay(small_enhancer, image):
    """The channels keep their ratios, up to rounding."""
    coloured = np.float32(image) / 255
    enhanced = small_enhancer(coloured, strength=1.0)
    bright = coloured.min(-1) > 0.05
    gain = enhanced[bright] / coloured[bright]
    np.testing.assert_allclose(gain.max(-1), gain.min(-1), rtol=1e-4)
    black = np.zeros((9, 12, 3), np.uint8)
    np.testing.assert_array_equal(small_enhancer(black, strength=1.0), black)


def test_it_is_a_model_without_weights():
    loaded = load_model("colie")
    assert loaded.variables == {}
    fields = CoLIE.__dataclass_fields__.items()
    assert loaded.network.options == {k: f.default for k, f in fields if k not in ("parent", "name")}
    with pytest.raises(UsageError, match="method: colie has nothing to train"):
        config_type("colie")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 8}, "option side: must be >= 16, got 8"),
        ({"window": 2}, "option window: must be odd and at most side, got 2"),
        ({"window": 33, "side": 32}, "option window: must be odd and at most side, got 33"),
        ({"steps": 0}, "option steps: must be >= 1, got 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UsageError, match=message):
        registry.find_network("colie").module(options)

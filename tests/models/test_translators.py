"""Networks that translate photographs against official outputs (goldens/compared_methods).

The official code and these networks sum float32 in another order, and each of up to 23 norms divides by a standard
deviation; on trained weights PyTorch and drujax differ by 5e-6 in outputs in [-1, 1]. TOLERANCE is several times what
the generated weights of the goldens, with activations of up to 19, lead to; a level of a picture is 8e-3.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.layers.conv import DoublingConv, upsample2
from drujax.models.layers.norm import LayerNorm, instance_norm
from drujax.models.layers.pool import blur_pool2
from drujax.models.translators.animegan_v2 import AnimeGANv2
from drujax.models.translators.cartoongan import CartoonGAN
from drujax.models.translators.scenimefy import Scenimefy
from drujax.translators.registry import find
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import from_torch, to_torch
from tests.support.official import nhwc
from tests.support.tiny_translator import shapes

TOLERANCE = {"rtol": 0, "atol": 4e-5}
PICTURES = ("a", "b")  # 64x64, 88x120


@pytest.fixture
def load(goldens):
    return lambda name: goldens(f"compared_methods/{name}")


def run(module, variables, image):
    return np.asarray(jax.jit(module.apply)(variables, jnp.asarray(image)))


def test_resampling_of_scenimefy(load):
    """Blurred subsampling, and that anti-aliased upsampling is bilinear."""
    golden = load("antialias_ops")
    image = jnp.asarray(nhwc(golden["in"]))
    np.testing.assert_allclose(blur_pool2(image), nhwc(golden["down_filt3_reflect"]), rtol=0, atol=2e-7)
    up = upsample2(image, align_corners=False)
    np.testing.assert_allclose(up, nhwc(golden["up_filt4_repl"]), rtol=0, atol=2e-7)


@pytest.mark.parametrize("picture", PICTURES)
def test_scenimefy(load, picture):
    module, variables = find("scenimefy").load(load("weights_scenimefy_resnet9_ngf8_formula"))
    assert module == Scenimefy(features=8)
    golden = load("arch_scenimefy_resnet9_ngf8")
    output = run(module, variables, nhwc(golden[f"{picture}_in"]))
    np.testing.assert_allclose(output, nhwc(golden[f"{picture}_out"]), **TOLERANCE)


@pytest.mark.parametrize("picture", PICTURES)
def test_cartoongan(load, shared, picture):
    """The golden is of the authors' float32 weights; those in the file are rounded to float16, a step of up to 5e-4
    relative to each, which moves outputs by up to 2.5e-3 (the README of the weights) and on average by far less.
    """
    path = shared / "weights/translators/cartoongan_shinkai_fp16.npz"
    module, variables = find("cartoongan").load(read_checkpoint(path))
    golden = load("cartoongan")
    output = run(module, variables, nhwc(golden[f"{picture}_in_bgr_m1p1"]))
    difference = np.abs(output - nhwc(golden[f"shinkai_{picture}_out_bgr_m1p1"]))
    assert difference.max() < 2.5e-3
    assert difference.mean() < 2e-4


def formula_weights(module) -> dict[str, np.ndarray]:
    """The weights of the golden: a generator for each tensor in the order of the state dict (its README)."""
    layouts = to_torch(jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), shapes(module)))

    def position(name):  # weight before bias, layers by number
        return [(not part.isdigit(), int(part) if part.isdigit() else 0, part == "bias", part) for part in name]

    state = {}
    for i, name in enumerate(sorted(layouts, key=lambda name: position(name.split(".")))):
        shape = layouts[name].shape
        z = np.random.RandomState(1234 + i).standard_normal(shape).astype(np.float32)
        if len(shape) > 1:
            state[name] = (z / np.float32(np.sqrt(np.prod(shape[1:])))).astype(np.float32)
        else:
            state[name] = np.float32(0.1) * z + np.float32(name.endswith("weight"))
    return state


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("align_corners", [True, False])
def test_animegan_v2(load, picture, align_corners):
    module = AnimeGANv2(align_corners=align_corners)
    state = formula_weights(module)
    assert len(state) == 77
    golden = load("arch_animeganv2_formula_weights")
    output = run(module, from_torch(state, shapes(module)), nhwc(golden[f"{picture}_in"]))
    expected = golden[f"{picture}_out_aligncorners_{str(align_corners).lower()}"]
    np.testing.assert_allclose(output, nhwc(expected), **TOLERANCE)


@pytest.mark.parametrize(
    ("module", "parameters"), [(Scenimefy(), 11_378_179), (CartoonGAN(), 11_129_667), (AnimeGANv2(), 2_143_552)]
)
def test_official_sizes(module, parameters):
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes(module))) == parameters


def test_doubling_convolution_adds_the_kernel_around_every_second_pixel():
    rng = np.random.default_rng(0)
    x, kernel, bias = rng.normal(size=(1, 3, 4, 2)), rng.normal(size=(3, 3, 2, 5)), rng.normal(size=5)
    canvas = np.zeros((8, 10, 5))  # a pixel more on each side
    for row, column in np.ndindex(3, 4):
        patch = np.tensordot(kernel, x[0, row, column], (2, 0))
        canvas[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += patch
    parameters = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
    output = DoublingConv(5).apply({"params": parameters}, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(output[0], canvas[1:7, 1:9] + bias, rtol=0, atol=1e-5)


def test_norms_standardise_in_float64():
    x = np.random.default_rng(0).normal(3, 2, (2, 5, 6, 4))
    centred = x - x.mean((1, 2), keepdims=True)
    expected = centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 0.01)
    np.testing.assert_allclose(instance_norm(jnp.asarray(x, jnp.float32), 0.01), expected, atol=1e-5)
    centred = x - x.mean((1, 2, 3), keepdims=True)
    expected = centred / np.sqrt((centred**2).mean((1, 2, 3), keepdims=True) + 0.01)
    scale, bias = np.float32([1, 2, 3, 4]), np.float32([0, 1, 0, -1])
    output = LayerNorm(0.01).apply({"params": {"scale": scale, "bias": bias}}, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(output, expected * scale + bias, atol=1e-5)


def test_names_of_the_authors_files(load, shared):
    """What the specifications leave after renaming is exactly what the modules have."""
    stored = read_checkpoint(shared / "weights/translators/cartoongan_shinkai_fp16.npz")
    assert len(stored) == 94
    assert to_torch(shapes_as_arrays(CartoonGAN())).keys() == find("cartoongan").names(stored).keys()
    generated = load("weights_scenimefy_resnet9_ngf8_formula")
    assert sum(bool(re.search("filt$", name)) for name in generated) == 4
    assert to_torch(shapes_as_arrays(Scenimefy())).keys() == find("scenimefy").names(generated).keys()


def shapes_as_arrays(module):
    return jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), shapes(module))

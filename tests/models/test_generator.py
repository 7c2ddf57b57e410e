import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.generator import Generator, attention_map
from drujax.models.layers.initialise import official
from tests.support.official import by_name, float64, nhwc, to_variables

CASES = [("g_eval", "x64"), ("g_eval", "x96x80"), ("g_eval", "x50x70"), ("g_eval_wide2208", "x34x2208")]


def apply(generator, variables, image, attention=None, *, train=False):
    """Returns (enhanced, latent), and in training the new batch statistics."""

    @jax.jit
    def run(variables, image, attention):
        mutable = ["batch_stats"] if train else False
        return generator.apply(variables, image, attention, train=train, mutable=mutable)

    return run(variables, image, attention_map(image) if attention is None else attention)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("file", "case"), CASES)
def test_eval_equals_the_official_output_in_float64(goldens, file, case, align_corners):
    """The stored output is float32; info.json has its difference from official float64."""
    arrays, corners = goldens(f"enlightengan/{file}"), f"ac{align_corners:d}"
    with float64():
        variables = to_variables(goldens("enlightengan/g_state"), np.float64)
        generator = Generator(align_corners=align_corners, wide_pool=True)
        image, attention = (nhwc(arrays[f"{case}/{name}"], np.float64) for name in ("input", "gray"))
        images = apply(generator, variables, jnp.asarray(image), jnp.asarray(attention))
    enhanced, latent = jax.device_get(images)
    distance = np.abs(enhanced - nhwc(arrays[f"{case}/enhanced_{corners}"], np.float64)).max()
    expected = goldens("enlightengan/info.json")[f"{case}/{corners}/max_abs_f32_minus_f64"]
    assert distance == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(latent, nhwc(arrays[f"{case}/latent_{corners}"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("case", ["x50x70", "x96x80"])
def test_eval_equals_the_official_output_in_float32(goldens, case, align_corners):
    arrays, corners = goldens("enlightengan/g_eval"), f"ac{align_corners:d}"
    image = jnp.asarray(nhwc(arrays[f"{case}/input"]))
    np.testing.assert_allclose(attention_map(image), nhwc(arrays[f"{case}/gray"]), rtol=0, atol=1e-6)
    variables = to_variables(goldens("enlightengan/g_state"))
    enhanced, latent = apply(Generator(align_corners=align_corners), variables, image)
    np.testing.assert_allclose(enhanced, nhwc(arrays[f"{case}/enhanced_{corners}"]), rtol=0, atol=1e-5)
    np.testing.assert_allclose(latent, nhwc(arrays[f"{case}/latent_{corners}"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("case", "align_corners"), [("x64", False), ("x64", True), ("x96x80", False)])
def test_training_equals_the_official_output_and_statistics(goldens, case, align_corners):
    arrays, corners = goldens("enlightengan/g_train"), f"ac{align_corners:d}"
    variables = to_variables(goldens("enlightengan/g_state"))
    image = jnp.asarray(nhwc(arrays[f"{case}/input"]))
    (enhanced, latent), new = apply(Generator(align_corners=align_corners), variables, image, train=True)
    np.testing.assert_allclose(enhanced, nhwc(arrays[f"{case}/enhanced_{corners}"]), rtol=0, atol=1e-4)
    np.testing.assert_allclose(latent, nhwc(arrays[f"{case}/latent_{corners}"]), rtol=0, atol=1e-4)
    prefix = f"{case}/{corners}/after/"
    after = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    expected = to_variables(after)["batch_stats"]
    assert len(after) == 34
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), new["batch_stats"], expected)


@pytest.mark.parametrize("align_corners", [False, True])
def test_training_equals_the_official_output_in_float64(goldens, align_corners):
    arrays = goldens("enlightengan/train_step")
    with float64():
        variables = to_variables(goldens("enlightengan/g_state"), np.float64)
        image, attention = (jnp.asarray(nhwc(arrays[name], np.float64)) for name in ("input_img", "A_gray"))
        generator = Generator(align_corners=align_corners)
        (enhanced, latent), _ = apply(generator, variables, image, attention, train=True)
    for value, name in ((enhanced, "fake_B"), (latent, "latent")):
        expected = nhwc(arrays[f"ac{align_corners:d}_f64/{name}"], np.float64)
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-9)


def test_has_the_official_parameters(goldens):
    image = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(
        lambda: Generator().init(jax.random.key(0), image, image[..., :1], train=True),
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == 8_636_675
    expected = jax.tree.map(np.shape, to_variables(goldens("enlightengan/g_state")))
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == expected


def small(**options):
    generator = Generator(width=2, **options)
    image = jnp.zeros((1, 16, 16, 3))
    return generator, official(generator, jax.random.key(0), image, image[..., :1], train=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 16), (31, 33), (2, 4000)])
def test_takes_any_size(size):
    generator, variables = small()
    image = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, *size, 3)), jnp.float32)
    enhanced, latent = apply(generator, variables, image)
    assert enhanced.shape == latent.shape == image.shape
    assert bool(jnp.isfinite(enhanced).all())
    np.testing.assert_allclose(enhanced, image + latent, rtol=0, atol=1e-6)


def test_pads_by_reflection_and_crops_back(goldens):
    """The result equals the centre of the result for an image padded by reflection beforehand."""
    generator, variables = small()
    image = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (1, 13, 22, 3)), jnp.float32)
    padded = jnp.pad(image, ((0, 0), (1, 2), (5, 5), (0, 0)), mode="reflect")
    enhanced, _ = apply(generator, variables, image)
    inside, _ = apply(generator, variables, padded)
    np.testing.assert_allclose(enhanced, inside[:, 1:14, 5:27], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("width", [2201, 2202])
def test_wide_images_keep_their_size(width):
    generator, variables = small(wide_pool=True)
    image = jnp.asarray(np.random.default_rng(2).uniform(-1, 1, (1, 17, width, 3)), jnp.float32)
    enhanced, latent = apply(generator, variables, image)
    assert enhanced.shape == image.shape
    assert latent.shape == (1, 9, 1101, 3)


def test_ghost_batches_are_normalised_separately():
    """As with DataParallel on two devices: chunks of 2 and 1, running statistics from the first."""
    generator, variables = small(ghost_batches=2)
    image = jnp.asarray(np.random.default_rng(3).uniform(-1, 1, (3, 16, 16, 3)), jnp.float32)
    (enhanced, _), new = apply(generator, variables, image, train=True)
    one, _ = small()
    (first, _), expected = apply(one, variables, image[:2], train=True)
    (second, _), _ = apply(one, variables, image[2:], train=True)
    np.testing.assert_allclose(enhanced, np.concatenate([first, second]), rtol=0, atol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), new, expected)


def test_bfloat16_computation_is_close_and_returns_float32():
    generator, variables = small()
    image = jnp.asarray(np.random.default_rng(4).uniform(-1, 1, (1, 32, 32, 3)), jnp.float32)
    expected, latent = apply(generator, variables, image)
    enhanced, _ = apply(generator.clone(dtype=jnp.dtype("bfloat16")), variables, image)
    assert enhanced.dtype == jnp.float32
    error = np.abs(enhanced - expected).max()
    assert 0 < error < 0.05 * np.abs(latent).max()


def test_official_initial_weights():
    generator = Generator(width=16)
    image = jnp.zeros((1, 16, 16, 3))
    variables = jax.jit(lambda key: official(generator, key, image, image[..., :1], train=True))(jax.random.key(5))
    weights = by_name(variables["params"])
    assert weights["conv5_2.weight"].std() == pytest.approx(0.02, rel=0.02)
    assert abs(weights["conv5_2.weight"].mean()) < 1e-3
    bias = weights["conv5_2.bias"] * np.sqrt(256 * 9)  # uniform in -1..1
    assert bias.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)
    assert 0.9 < np.abs(bias).max() <= 1
    assert weights["bn5_2.weight"].mean() == pytest.approx(1, abs=0.01)
    assert weights["bn5_2.weight"].std() == pytest.approx(0.02, rel=0.2)
    assert not weights["bn5_2.bias"].any()
    assert not variables["batch_stats"]["bn5_2"]["mean"].any()
    assert (variables["batch_stats"]["bn5_2"]["var"] == 1).all()
    first = [weight.flat[0] for weight in weights.values() if weight.any()]
    assert len(first) == 80 - 17  # all except the biases of the norms
    assert len(np.unique(first)) == len(first)  # no two tensors are equal

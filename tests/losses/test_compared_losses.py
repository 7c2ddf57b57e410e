"""Losses of the compared methods against the official code (goldens/compared_methods)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses import pairlie, retinex, zero_dce_pp
from drujax.models.pairlie import Decomposition
from tests.support.official import nhwc

PICTURES = ("a", "b")


@pytest.fixture
def load(goldens):
    return lambda name: goldens(f"compared_methods/{name}")


def images(arrays, name):
    return jnp.asarray(nhwc(arrays[name]))


def assert_equal(ours, theirs):
    np.testing.assert_allclose(np.squeeze(ours), np.squeeze(theirs), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("picture", PICTURES)
def test_zero_dce_pp(load, picture):
    arrays, expected = load("zero_dce_pp"), load("zero_dce_pp_losses")
    image, enhanced, curve = (images(arrays, f"{picture}_s1_{name}") for name in ("in", "out", "curve"))
    loss, terms = jax.jit(zero_dce_pp.total)(image, enhanced, curve)
    for name, golden in {"smoothness": "tv", "spatial": "spa_mean", "colour": "col", "exposure": "exp_p16_E06"}.items():
        assert_equal(terms[name], expected[f"{picture}_{golden}"])
    assert_equal(loss, expected[f"{picture}_total"])


@pytest.mark.parametrize("level", ["easy", "medium", "difficult"])
@pytest.mark.parametrize("picture", PICTURES)
def test_sci(load, level, picture):
    expected, image = load("sci_losses"), images(load("inputs"), picture)
    illumination = images(load("sci"), f"{level}_{picture}_illu")
    assert_equal(retinex.fidelity(illumination, image), expected[f"{level}_{picture}_fidelity"])
    assert_equal(retinex.sci_smoothness(image, illumination), expected[f"{level}_{picture}_smooth"])
    assert_equal(retinex.sci_stage(image, illumination), expected[f"{level}_{picture}_finetune_loss_eval"])


@pytest.mark.parametrize("weights", ["upe", "lol", "dark"])
@pytest.mark.parametrize("picture", PICTURES)
def test_ruas(load, weights, picture):
    outputs, expected, image = load("ruas"), load("ruas_losses"), images(load("inputs"), picture)
    illumination, enhanced, denoised = (images(outputs, f"{weights}_{picture}_{name}") for name in ("t2", "u2", "u3"))
    of = {name: expected[f"{weights}_{picture}_{name}"] for name in ("fidelity", "smooth", "tv_u3")}
    assert_equal(retinex.fidelity(illumination, image), of["fidelity"])
    assert_equal(retinex.ruas_smoothness(image, illumination), of["smooth"])
    assert_equal(retinex.ruas_enhancement(image, illumination), expected[f"{weights}_{picture}_enhance_loss"])
    assert_equal(retinex.total_variation(denoised), of["tv_u3"])
    assert_equal(retinex.ruas_denoising(enhanced, denoised), expected[f"{weights}_{picture}_denoise_loss"])


def test_ycbcr_of_the_official_codes(load):
    ours = retinex.as_ycbcr(images(load("inputs"), "a"))
    np.testing.assert_allclose(ours, nhwc(load("sci_losses")["a_ycbcr_as_coded"]), atol=1e-6)


def batch(seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(0, 1, (3, 32, 48, 3)), jnp.float32)


@pytest.mark.parametrize("form", ["official", "paper"])
def test_losses_are_per_image(form):
    x, y, z = batch(0), batch(1), batch(2)
    losses = {
        "zero_dce_pp": lambda x, y, z: zero_dce_pp.total(x, y, z, form=form)[0],
        "zero_dce": lambda x, y, z: zero_dce_pp.total(x, y, jnp.concatenate([z] * 8, -1), form=form)[0],
        "pairlie": lambda x, y, z: pairlie.total(x, Decomposition(y[..., :1], y, z), z)[0],
        "sci": lambda x, y, z: retinex.sci_stage(x, y, form=form),
        "ruas": lambda x, y, z: retinex.ruas_enhancement(x, y, form=form) + retinex.ruas_denoising(y, z),
    }
    for name, loss in losses.items():
        together = loss(x, y, z)
        apart = [loss(x[i : i + 1], y[i : i + 1], z[i : i + 1])[0] for i in range(3)]
        np.testing.assert_allclose(together, apart, rtol=1e-5, err_msg=name)


def test_the_papers_forms_differ_and_use_colours():
    x, y = batch(0), batch(1)
    for loss in (retinex.sci_smoothness, retinex.ruas_smoothness):
        assert np.all(loss(x, y, form="paper") < loss(x, y))  # edges of x reduce the weights at those of y
    np.testing.assert_allclose(
        retinex.as_ycbcr(jnp.ones((1, 1, 1, 3)), "paper")[0, 0, 0, 0], 0.919 + 16 / 255, rtol=1e-6
    )
    tinted = jnp.broadcast_to(jnp.array([0.5, 0.5, 0.7]), (1, 4, 4, 3))
    np.testing.assert_allclose(zero_dce_pp.colour(tinted, form="paper"), [2 * 0.04], rtol=1e-5)
    np.testing.assert_allclose(zero_dce_pp.colour(tinted), [np.sqrt(2) * 0.04], rtol=1e-5)


def test_eight_equal_curves_cost_what_one_costs():
    """Zero-DCE's smoothness, of weight 200, sums over its curves; Zero-DCE++'s, of 1600, has one."""
    x, y, curve = batch(0), batch(1), batch(2)
    one, _ = zero_dce_pp.total(x, y, curve)
    eight, _ = zero_dce_pp.total(x, y, jnp.concatenate([curve] * 8, -1), smoothness_weight=200.0)
    np.testing.assert_allclose(eight, one, rtol=1e-5)


def test_pairlie_learns_no_illumination_from_the_quotient():
    """The product aside, the cleaned image stands in the quotient alone: it moves no gradient of the illumination."""
    illumination, reflectance, image = batch(0)[..., :1], batch(1), batch(2)

    def gradients(cleaned):
        def loss(illumination, reflectance):
            product = ((illumination * reflectance - cleaned) ** 2).mean((1, 2, 3))
            return (pairlie.retinex(Decomposition(illumination, reflectance, cleaned), image) - product).sum()

        return jax.grad(loss, (0, 1))(illumination, reflectance)

    (of_illumination, of_reflectance), (unmoved, moved) = gradients(image), gradients(image + 0.01)
    np.testing.assert_allclose(of_illumination, unmoved, atol=1e-8)
    np.testing.assert_allclose(
        of_reflectance - moved, np.broadcast_to(2 * 0.01 / illumination / (32 * 48 * 3), image.shape), rtol=1e-2
    )


def test_gradient_is_finite_for_grey_images():
    grey = jnp.full((1, 16, 16, 3), 0.4)
    gradient = jax.grad(lambda x: zero_dce_pp.colour(x).sum())(grey)
    assert np.array_equal(gradient, np.zeros_like(gradient))

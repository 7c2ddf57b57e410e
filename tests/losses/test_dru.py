"""Equations 5 to 8 against the official losses, and against NumPy on the official discriminators' maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.losses import dru
from tests.support.official import nhwc

RP_DARK, RP_BRIGHT = np.float32([0.9, 0.25]), np.float32([0.6, 0.99])


@pytest.fixture(params=[0, 1])
def step(goldens, request):
    """Official score maps (b h w 1 and b p h w 1) and losses of one step."""
    arrays = goldens("enlightengan/train_step")
    prefix = f"ac{request.param}_f32/"
    maps = {name: jnp.asarray(nhwc(arrays[f"{prefix}D_{name}"])) for name in ("A_real", "A_fake", "P_real", "P_fake")}
    maps = {name: value.swapaxes(0, 1) if name.startswith("P") else value for name, value in maps.items()}
    names = [str(name) for name in arrays[f"{prefix}loss_names"]]
    return maps, dict(zip(names, arrays[f"{prefix}loss_values"], strict=True))


def losses(maps, dark, bright, scale):
    dark, bright = jnp.asarray(dark), jnp.asarray(bright)
    pair = dark * bright
    return {
        "loss_D_A": dru.discriminator_global(maps["A_real"], maps["A_fake"], pair, scale=scale),
        "loss_D_P": dru.discriminator_local(maps["P_real"], maps["P_fake"], dark, bright, scale=scale),
        "G_global": dru.generator_global(maps["A_real"], maps["A_fake"], pair, scale=scale),
        "G_local": dru.generator_local(maps["P_fake"], dark),
    }


def numpy_losses(maps, dark, bright, half):
    """The paper's equations, written out image by image and patch by patch."""
    real, fake, real_patches, fake_patches = (
        np.asarray(maps[name], np.float64) for name in ("A_real", "A_fake", "P_real", "P_fake")
    )
    b, p = real_patches.shape[:2]
    total = dict.fromkeys(("loss_D_A", "loss_D_P", "G_global", "G_local"), 0.0)
    for n in range(b):
        relative_real, relative_fake = real[n] - fake.mean(), fake[n] - real.mean()
        pair = float(dark[n]) * float(bright[n]) / b
        total["loss_D_A"] += half * pair * (((relative_real - 1) ** 2).mean() + (relative_fake**2).mean())
        total["G_global"] += half * pair * (((relative_fake - 1) ** 2).mean() + (relative_real**2).mean())
        for i in range(p):
            of_real = bright[n] * ((real_patches[n, i] - 1) ** 2).mean()
            of_fake = dark[n] * (fake_patches[n, i] ** 2).mean()
            total["loss_D_P"] += half * (of_real + of_fake) / (b * p)
            total["G_local"] += dark[n] * ((fake_patches[n, i] - 1) ** 2).mean() / (b * p)
    return total


def test_weights_of_one_give_the_official_losses(step):
    maps, official = step
    for name, value in losses(maps, np.ones(2, np.float32), np.ones(2, np.float32), "official").items():
        np.testing.assert_allclose(value, official[name], rtol=2e-6)


@pytest.mark.parametrize(("scale", "half"), [("official", 0.5), ("paper", 1.0)])
def test_weighted_losses_equal_the_papers_equations(step, scale, half):
    maps, _ = step
    expected = numpy_losses(maps, RP_DARK, RP_BRIGHT, half)
    for name, value in losses(maps, RP_DARK, RP_BRIGHT, scale).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5)


def test_an_image_of_weight_zero_acts_only_through_the_relativistic_mean():
    """Its scores get no gradient in equation 8, and in equation 7 only through the unweighted mean."""
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 4, 1)), jnp.float32)
    weights = jnp.asarray([1.0, 0.0, 0.5])
    local = jax.grad(dru.generator_local)(scores, weights)
    assert not local[1].any()
    assert local[0].any()
    others = scores[::-1]
    direct = jax.grad(dru.relativistic)(scores, others, 1, weights)
    assert not direct[1].any()
    through_mean = jax.grad(dru.relativistic, argnums=1)(scores, others, 1, weights)
    np.testing.assert_allclose(through_mean, np.full_like(through_mean, through_mean[0, 0, 0, 0]), rtol=1e-6)
    assert through_mean.any()

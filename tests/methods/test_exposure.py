import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.methods.exposure import Darkening, Exposure
from tests.support import tiny_batch

EVEN = Darkening(max_unevenness=0.0, max_gamma=1.0, unchanged=0.0)


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3)) / 127.5 - 1, jnp.float32)


def light(images):
    return (images + 1) / 2


def test_even_darkening_divides_the_intensity(images):
    dark = EVEN(images, jax.random.key(0))
    t = (light(images).sum((1, 2, 3)) / light(dark).sum((1, 2, 3)))[:, None, None, None]
    assert np.all((t >= 1) & (t <= EVEN.max_darkening))
    assert np.ptp(t) > 0.1  # each picture by its own amount
    np.testing.assert_allclose(light(dark), light(images) / t, atol=1 / 255)


def test_darkened_pictures_are_rounded_to_eight_bits(images):
    levels = np.asarray(light(Darkening()(images, jax.random.key(1)))) * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert levels.min() >= 0
    assert np.all(levels <= np.asarray(light(images)) * 255 + 0.5)  # never brighter


def test_uneven_darkening_is_smooth(images):
    darken = Darkening(max_gamma=1.0, unchanged=0.0)
    white = jnp.ones_like(images)
    log_t = -np.log(np.asarray(light(darken(white, jax.random.key(2)))))
    assert np.ptp(log_t, axis=(1, 2, 3)).max() > 0.3
    assert np.abs(np.diff(log_t, axis=1)).max() < 0.4


def test_some_pictures_are_unchanged(images):
    many = jnp.tile(images, (16, 1, 1, 1))
    dark = Darkening(unchanged=0.5)(many, jax.random.key(3))
    same = np.asarray((dark == many).all((1, 2, 3)))
    assert 16 <= same.sum() <= 48
    assert np.all(light(dark)[~same].mean((1, 2, 3)) < light(many)[~same].mean((1, 2, 3)))


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_batch_norm_keeps_its_statistics(frozen):
    method = Exposure(width=2, frozen_batch_norm=frozen)
    state = method.init(jax.random.key(4))
    after, metrics = jax.jit(method.step)(state, tiny_batch.batch(), None, {})
    assert np.isfinite(metrics["loss"])
    before = state.model
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before.batch_stats, after.model.batch_stats)
    assert all(value != frozen for value in jax.tree.leaves(changed))
    assert (before.params["conv10"]["kernel"] != after.model.params["conv10"]["kernel"]).any()

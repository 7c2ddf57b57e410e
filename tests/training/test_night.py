"""Nights made from bright images: what they hold of the day, and what they lose."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.pictures.color import luma
from drujax.training.night import Darkening, painted_pairs, random_pairs

EVEN = Darkening(
    max_unevenness=0.0,
    max_gamma=1.0,
    flattened=0.0,
    max_cast=0.0,
    min_saturation=1.0,
    lamps=0.0,
    noisy=0.0,
    unchanged=0.0,
)


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3)) / 127.5 - 1, jnp.float32)


def intensity(images):
    return (np.asarray(images) + 1) / 2


def test_even_darkening_divides_the_intensity(images):
    dark = EVEN(images, jax.random.key(0))
    t = (intensity(images).sum((1, 2, 3)) / intensity(dark).sum((1, 2, 3)))[:, None, None, None]
    assert np.all((t >= 1) & (t <= EVEN.max_darkening))
    assert np.ptp(t) > 0.1  # each image by its own amount
    np.testing.assert_allclose(intensity(dark), intensity(images) / t, atol=1 / 255)


def test_nights_are_rounded_to_eight_bits_and_without_noise_nowhere_brighter(images):
    levels = intensity(Darkening(noisy=0.0)(images, jax.random.key(1))) * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert levels.min() >= 0
    assert np.all(levels <= intensity(images) * 255 + 0.5)


def test_uneven_darkening_is_smooth(images):
    darken = Darkening(max_gamma=1.0, max_cast=0.0, lamps=0.0, noisy=0.0, unchanged=0.0)
    log_t = -np.log(intensity(darken(jnp.ones_like(images), jax.random.key(2))))
    assert np.ptp(log_t, axis=(1, 2, 3)).max() > 0.3
    assert np.abs(np.diff(log_t, axis=1)).max() < 0.4


def test_flattening_takes_away_what_distinguishes_surfaces_and_keeps_their_texture():
    """A light sky over a dark ground: some nights have them level, some the other way round."""
    day = np.full((64, 48, 64, 3), 0.8)
    day[:, 24:] = 0.25
    day[..., ::2, :] *= 0.9
    flat = dataclasses.replace(EVEN, flattened=1.0)(jnp.asarray(day * 2 - 1), jax.random.key(7))
    night = intensity(flat).mean(-1)
    sky, ground = night[:, 4:16], night[:, 32:44]
    contrast = sky.mean((1, 2)) / ground.mean((1, 2))
    assert contrast.min() < 1 < 2.5 < contrast.max() < 3.3
    lit = sky.mean((1, 2)) > 0.15  # where 8 bits do not hide it
    texture = sky[lit][..., 1::2].mean((1, 2)) / sky[lit][..., ::2].mean((1, 2))
    np.testing.assert_allclose(texture, 1 / 0.9, atol=0.03)


def test_some_images_are_unchanged(images):
    many = jnp.tile(images, (16, 1, 1, 1))
    dark = Darkening(unchanged=0.5)(many, jax.random.key(3))
    same = np.asarray((dark == many).all((1, 2, 3)))
    assert 16 <= same.sum() <= 48
    assert np.all(intensity(dark)[~same].mean((1, 2, 3)) < intensity(many)[~same].mean((1, 2, 3)))


def test_lamps_keep_the_day():
    """Some pixels of dark images are those of the day."""
    day = jnp.full((32, 96, 128, 3), 0.4)

    def kept(lamps):
        darken = Darkening(lamps=lamps, noisy=0.0, unchanged=0.0)
        return (np.abs(darken(day, jax.random.key(4)) - day) < 0.05).all(-1).mean()

    assert kept(1.0) > kept(0.0) + 0.0005


def test_a_cast_is_blue_or_amber(images):
    grey = jnp.full((64, 8, 8, 3), 0.6)
    cast = intensity(Darkening(max_cast=1.0, lamps=0.0, noisy=0.0, unchanged=0.0)(grey, jax.random.key(5)))
    balance = np.log((cast[..., 2] + 0.01) / (cast[..., 0] + 0.01)).mean((1, 2))
    assert balance.max() > 0.2
    assert balance.min() < -0.2


def test_noise_is_in_some_images(images):
    flat = jnp.full((64, 16, 16, 3), -0.4)
    arguments = {"max_unevenness": 0.0, "lamps": 0.0, "unchanged": 0.0}
    noisy = intensity(Darkening(noisy=0.5, **arguments)(flat, jax.random.key(6))).std((1, 2)).max(-1) > 0.3 / 255
    assert 10 < noisy.sum() < 50


def test_painted_pairs_are_one_scene_by_night_and_by_day():
    pairs = painted_pairs(4, (48, 64), seed=3)
    assert pairs.night.shape == pairs.day.shape == (4, 48, 64, 3)
    assert pairs.night.dtype == pairs.day.dtype == np.uint8
    assert np.all(luma(pairs.day.astype(float)).mean((1, 2)) > luma(pairs.night.astype(float)).mean((1, 2)))
    night, day = jax.jit(lambda key: random_pairs(pairs, 12, 32, key))(jax.random.key(0))
    assert night.shape == day.shape == (12, 32, 32, 3)
    deepened = 0
    for dark, light in zip(np.asarray(night), np.asarray(day), strict=True):
        place = found(light, pairs.day)
        deepened += place != found(dark, pairs.night)
        assert np.all(dark <= crop_at(place, pairs.night))
    assert 0 < deepened < 12  # half of the nights are made darker


def crops(images):
    """All crops of 32 x 32, as they are and mirrored: n y x mirrored 32 32 3, in [-1, 1]."""
    windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(images, (32, 32), (1, 2)), 3, -1)
    return np.stack([windows, windows[..., ::-1, :]], 3) / 127.5 - 1


def found(crop, images):
    """The place of a crop in `images`; None where they do not hold it."""
    places = np.argwhere((np.abs(crops(images) - crop) < 1e-5).all((-3, -2, -1)))
    return tuple(places[0]) if len(places) else None


def crop_at(place, images):
    return crops(images)[place] + 1e-5

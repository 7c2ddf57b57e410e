"""Composition: what is taken from a network's output, and what of the picture stays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.enhance.application import apply
from drujax.enhance.composition import EXPOSURE, MAX_GAIN, Gains, gains
from drujax.pictures import vips
from drujax.pictures.color import luma

RANDOM = np.random.default_rng(5)
SIZE = (96, 128)
estimate = jax.jit(gains)


def composed(image: np.ndarray, enhanced: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """The composition of float images (h, w, 3)."""
    image, enhanced = (np.ascontiguousarray(x, np.float32) for x in (image, enhanced))
    found = estimate(jnp.asarray(image[None]), jnp.asarray(enhanced[None]))
    return vips.pixels(apply(vips.of_array(image), Gains(*(np.asarray(x[0]) for x in found)), strength))


def texture(level: float, contrast: float) -> np.ndarray:
    return np.repeat(level * np.exp(RANDOM.normal(0, contrast, (*SIZE, 1))), 3, -1).clip(0, 1)


def test_an_even_gain_is_applied_in_its_share():
    image = texture(0.1, 0.3)
    result = composed(image, 2 * image)
    assert np.abs(np.log(result / image).mean() - EXPOSURE * np.log(2)) < 0.1
    assert np.log(result / image).std() < 0.1


def test_a_blotch_on_a_flat_area_is_removed():
    image = np.full((*SIZE, 3), 0.2)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    blot = np.exp(-((rows - 45) ** 2 + (columns - 60) ** 2) / 20.0)[..., None]
    enhanced = image * (2 - blot)
    assert np.ptp(composed(image, enhanced)) < 0.3 * np.ptp(enhanced)


def test_dark_texture_keeps_its_contrast():
    """Even where the network gives darker pixels the larger gain."""
    image = texture(0.08, 0.15)
    result = composed(image, image**0.5)
    before, after = (np.log(luma(x)).std() for x in (image, result))
    assert after > 0.9 * before
    assert result.mean() > 2 * image.mean()


def test_lights_are_not_dimmed_and_keep_their_colour():
    image = np.full((*SIZE, 3), 0.05)
    image[40:50, 60:70] = [0.9, 0.7, 0.4]
    enhanced = np.minimum(image * 6, 0.9)
    result = composed(image, enhanced)
    light = result[40:50, 60:70]
    assert luma(light).min() > luma(image[40:50, 60:70]).min() - 0.02
    assert luma(light).max() < 1
    assert (light[..., 0] > light[..., 2] + 0.2).all()
    assert result[10, 10, 0] > 0.1


def test_black_stays_black_and_equal_neighbours_stay_equal():
    image = texture(0.1, 0.2)
    image[:8] = 0
    image[30:40, 30:40] = 0.05
    result = composed(image, np.sqrt(image))
    assert not result[:8].any()
    assert np.ptp(result[30:40, 30:40]) < 0.05


def test_a_saturated_dark_colour_is_lifted_and_does_not_clip():
    image = np.broadcast_to(np.float32([10, 10, 120]) / 255, (*SIZE, 3))
    result = composed(image, np.broadcast_to(np.float32([120, 120, 255]) / 255, image.shape))
    assert result.max() < 0.99
    assert luma(result).mean() > 2.5 * luma(image).mean()
    assert (result[..., 0] > 0.15).all()  # not an electric blue


def test_a_light_keeps_its_order_and_does_not_clip():
    """A lamp's amber glow in the dark, of which the network makes white."""
    image = np.full((*SIZE, 3), 0.03)
    image[40:56, 30:94] = np.linspace(0.5, 0.95, 64)[:, None] * np.float32([1, 0.75, 0.4])
    result = composed(image, np.clip(6 * image, 0, 1))
    lamp = result[48, 30:94]
    assert lamp.max() < 0.999
    assert np.all(np.diff(lamp.max(-1)) > 0)
    assert np.all(lamp[:, 0] > lamp[:, 1])
    assert np.all(lamp[:, 1] > lamp[:, 2])


def test_what_has_not_the_cast_of_the_night_gets_none_of_its_tint():
    """A blue night of which the network makes a grey day: its moon does not become orange, nor an amber lamp red."""
    image = np.broadcast_to(np.float32([0.06, 0.1, 0.3]), (*SIZE, 3)).copy()
    moon, lamp = (slice(10, 20), slice(10, 20)), (slice(60, 70), slice(90, 100))
    image[moon], image[lamp] = 0.5, (0.6, 0.45, 0.2)
    day = np.full_like(image, 0.6)
    day[moon], day[lamp] = image[moon], image[lamp]
    result = composed(image, day)
    r, g, b = np.moveaxis(result, -1, 0)
    assert np.all((b / r)[30:50] < 0.6 * 5)  # of 0.3 / 0.06
    assert np.abs(r - b)[moon].max() < 0.01
    np.testing.assert_allclose((r / b)[lamp], 3, rtol=0.02)
    np.testing.assert_allclose((r / g)[lamp], 0.6 / 0.45, rtol=0.02)


def test_strength_is_monotone_and_in_stops():
    image = np.broadcast_to(np.float32([10, 10, 120]) / 255, (*SIZE, 3))
    enhanced = np.clip(image * 3, 0, 1)
    levels = [luma(composed(image, enhanced, strength)).mean() for strength in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert levels[0] == pytest.approx(luma(image).mean(), rel=1e-5)
    assert np.all(np.diff(levels) > 0)
    half = composed(image, enhanced, 0.5)
    np.testing.assert_allclose(luma(half).mean() ** 2, levels[0] * levels[4], rtol=0.1)


def test_noise_in_almost_black_is_not_blown_up():
    noise = np.repeat(RANDOM.integers(0, 3, (*SIZE, 1)) / 255, 3, -1)
    assert composed(noise, np.full((*SIZE, 3), 0.5)).max() <= 2 / 255 * np.exp(MAX_GAIN) + 1e-6


def test_a_cast_is_weakened():
    blue = texture(0.1, 0.2) * [0.5, 0.7, 1.0]
    result = composed(blue, np.repeat(3 * luma(blue)[..., None], 3, -1))
    before, after = ((x[..., 2] / luma(x)).mean() for x in (blue, result))
    assert 1.05 < after < before - 0.1


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_those_of_floats(dtype, rounding):
    top = np.iinfo(dtype).max
    levels = RANDOM.integers(0, top // 3, (20, 30, 3), dtype=dtype)
    some = Gains(RANDOM.uniform(0, 0.3, (4, 5, 2)), RANDOM.uniform(-0.1, 0.1, (4, 5, 3)))
    floats = vips.of_array((levels / np.float32(top)).astype(np.float32))
    exact = vips.pixels(apply(floats, some, 1.0)) * top
    result = vips.pixels(apply(vips.of_array(levels), some, 1.0, rounding=rounding))
    assert result.dtype == dtype
    expected = np.rint(exact) if rounding == "nearest" else np.floor(exact)
    assert np.abs(result - expected).max() <= 1
    assert np.mean(result == expected) > 0.95

"""The guided filter: a network's gain follows the edges of the picture."""

import jax.numpy as jnp
import numpy as np
import pytest

from drujax.enhance import guided_filter
from drujax.enhance.guided_filter import transfer_luminance

RANDOM = np.random.default_rng(5)


def scene(h: int, w: int) -> np.ndarray:
    """A dark picture of uniform areas."""
    parts = RANDOM.uniform(0.05, 0.4, (4, 5, 3)).astype(np.float32)
    return np.repeat(np.repeat(parts, -(-h // 4), 0), -(-w // 5), 1)[None, :h, :w]


def test_a_gain_of_the_whole_picture_is_kept():
    x = scene(60, 80)
    result = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(np.clip(2 * x, 0, 1))))
    assert np.abs(result / x - 2).max() < 0.25
    assert np.abs(result / x - 2).mean() < 0.1


def test_a_blotch_on_a_flat_area_is_removed_and_the_mean_exposure_kept():
    x = np.full((1, 90, 120, 3), 0.2, np.float32)
    rows, columns = np.mgrid[:90, :120]
    blot = np.exp(-((rows - 45) ** 2 + (columns - 60) ** 2) / 200.0)[None, :, :, None]
    enhanced = x * (2 - blot)
    result = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(enhanced, np.float32)))
    assert np.ptp(result) < 0.15 * np.ptp(enhanced)
    assert np.log(result).mean() == pytest.approx(np.log(enhanced).mean(), abs=0.05)  # it works on logarithms


def test_colours_keep_their_ratios_and_black_stays_black():
    x = scene(40, 50)
    x[0, :4, :4] = 0
    tinted = np.clip(x * [3, 2, 1], 0, 1).astype(np.float32)
    result = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(tinted)))
    assert not result[0, :4, :4].any()
    gain = result[x > 0].reshape(-1, 3) / x[x > 0].reshape(-1, 3)
    np.testing.assert_allclose(gain, gain[:, :1].repeat(3, 1), rtol=1e-4)


def test_bright_lights_are_not_dimmed():
    x = np.full((1, 60, 80, 3), 0.05, np.float32)
    x[0, 20:24, 30:34] = 0.9
    result = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(np.minimum(x * 4, 0.9))))
    assert np.all(result >= x)
    assert result[0, 50, 50, 0] > 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 200), (130, 70)])
def test_any_size(size):
    x = scene(*size)
    result = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(1.5 * x)))
    assert result.shape == x.shape
    assert np.isfinite(result).all()
    assert result.mean() > 1.2 * x.mean()


def test_the_grid_is_fine_enough(monkeypatch):
    """With one grid point per pixel it equals the exact guided filter."""
    x, enhanced = scene(90, 110), np.sqrt(scene(90, 110))
    coarse = np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(enhanced)))
    monkeypatch.setattr(guided_filter, "GRID", 1000)
    assert np.abs(np.asarray(transfer_luminance(jnp.asarray(x), jnp.asarray(enhanced))) - coarse).max() < 0.01

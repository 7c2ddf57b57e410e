"""MSCN coefficients against their definition in float64, and exact zeros in flat windows."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, TAPS, mscn


def definition(padded: np.ndarray, window: np.ndarray, epsilon: float = 0.0) -> np.ndarray:
    """The definition in float64, by two-dimensional sums over the window."""
    inside = (slice(3, -3), slice(3, -3))
    mean = correlate(padded, window)[inside]
    variance = correlate(padded**2, window)[inside] - mean**2
    return (padded[inside] - mean) / (np.sqrt(np.abs(variance) + epsilon) + 1)


@pytest.mark.parametrize("brightness", [0, 200])
def test_equals_the_definition(brightness):
    padded = brightness + np.random.default_rng(0).integers(0, 56, (30, 41)).astype(float)
    result = np.asarray(mscn(jnp.asarray(padded, jnp.float32)))
    # Rounding is relative to the contrast: 1e-6; the definition computed in float32 would have 1e-3.
    np.testing.assert_allclose(result, definition(padded, np.outer(TAPS, TAPS)), atol=1e-6)


@pytest.mark.parametrize("kind", ["flat", "ramp"])
def test_flat_and_ramped_windows_are_exactly_zero(kind):
    rows, columns = np.mgrid[:20, :24]
    padded = np.full((20, 24), 173.0) if kind == "flat" else 3.0 * rows + 2.0 * columns
    assert not np.asarray(mscn(jnp.asarray(padded, jnp.float32))).any()


def test_excess_makes_flat_windows_slightly_negative():
    window = np.outer(TAPS, TAPS).astype(np.float32).astype(float)
    padded = np.full((9, 9), 200.0)
    result = np.asarray(mscn(jnp.asarray(padded, jnp.float32), excess=FLOAT32_EXCESS, epsilon=2.2e-16))
    assert (result < 0).all()
    np.testing.assert_allclose(result, definition(padded, window, 2.2e-16), rtol=1e-4)
    padded = np.random.default_rng(1).integers(0, 256, (20, 21)).astype(float)
    result = np.asarray(mscn(jnp.asarray(padded, jnp.float32), excess=FLOAT32_EXCESS))
    np.testing.assert_allclose(result, definition(padded, window), atol=1e-6)


def test_images_of_a_batch_are_independent():
    padded = jnp.asarray(np.random.default_rng(2).integers(0, 256, (2, 15, 14)), jnp.float32)
    np.testing.assert_allclose(mscn(padded)[1], mscn(padded[1]), atol=1e-6)

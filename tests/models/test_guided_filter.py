"""Local linear fits: exact where they can be, local, smooth."""

import jax.numpy as jnp
import numpy as np
import pytest

from drujax.models.layers import windows
from drujax.models.layers.guided_filter import fit

RANDOM = np.random.default_rng(5)


def fitted(guide: np.ndarray, values: np.ndarray, *, radius: float = 0.2, regularisation: float = 1e-4) -> np.ndarray:
    """The fitted functions at the pixels of the guide, whose sides are at most GRID."""
    slope, offset = fit(
        jnp.asarray(guide[None], jnp.float32),
        jnp.asarray(values[None, ..., None], jnp.float32),
        radius=radius,
        regularisation=regularisation,
    )
    return np.asarray(slope[0, ..., 0] * guide + offset[0, ..., 0])


def test_a_linear_function_is_fitted_exactly():
    guide = RANDOM.normal(size=(40, 50))
    np.testing.assert_allclose(fitted(guide, 3 * guide - 2, regularisation=0.0), 3 * guide - 2, atol=1e-3)


def test_a_flat_guide_gives_the_local_mean():
    values = np.zeros((64, 64))
    values[:, 32:] = 1
    result = fitted(np.full((64, 64), -1.5), values)
    np.testing.assert_allclose(result[:, [0, 63]], [[0, 1]] * 64, atol=1e-5)
    assert np.abs(np.diff(result, axis=1)).max() < 0.08  # a ramp instead of the edge


def test_edges_of_the_guide_are_kept():
    guide = np.zeros((60, 60))
    guide[:, 30:] = 2
    result = fitted(guide, guide > 0)
    assert np.abs(result - (guide > 0)).max() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 200), (130, 70)])
def test_any_size(size):
    slope, offset = fit(
        jnp.asarray(RANDOM.normal(size=(2, *size)), jnp.float32),
        jnp.ones((2, *size, 3)),
        radius=0.1,
        regularisation=0.1,
    )
    assert slope.shape == (2, *(min(side, windows.GRID) for side in size), 3)
    assert np.isfinite(slope).all()
    np.testing.assert_allclose(offset, 1, atol=1e-5)

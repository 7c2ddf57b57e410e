"""Fits of generalised Gaussians: the search equals exhaustive comparison, and known shapes are recovered."""

import numpy as np
import pytest
from scipy.special import gammaln

from drujax.metrics.kernels.aggd import fit_aggd, ggd_shape, nearest, shapes

GRID = shapes(0.2, 0.001, 9801)


def fit(x: np.ndarray):
    negative, positive = x[x < 0], x[x > 0]
    squares = np.array([[(negative**2).sum(), (positive**2).sum()]])
    counts = np.array([[len(negative), len(positive)]], float)
    return fit_aggd(squares, counts, np.array([np.abs(x).sum()]), float(x.size), GRID)


def test_grid():
    assert (GRID.alpha[0], GRID.alpha[-1]) == (0.2, pytest.approx(10.0))
    assert (np.diff(GRID.ratio) < 0).all()
    gaussian, laplacian = GRID.alpha.searchsorted([2.0 - 1e-9, 1.0 - 1e-9])
    np.testing.assert_allclose(GRID.ratio[[gaussian, laplacian]], [np.pi / 2, 2])
    np.testing.assert_allclose(GRID.scale[[gaussian, laplacian]], [np.sqrt(2), np.sqrt(0.5)])
    np.testing.assert_allclose(GRID.mean[[gaussian, laplacian]], [1 / np.sqrt(np.pi), 1])


@pytest.mark.parametrize("descending", [False, True])
def test_nearest_equals_exhaustive_comparison(descending):
    table = 1 / GRID.ratio
    table = table[::-1] if descending else table
    random = np.random.default_rng(0)
    middles = (table[:-1] + table[1:]) / 2
    values = np.concatenate([random.uniform(-0.1, 1.1, 500), table[::97], middles[::101], [np.inf, -np.inf]])
    finite = np.clip(values, -10, 10)
    brute = np.argmin(np.abs(table - finite[:, None]), axis=1)
    np.testing.assert_array_equal(nearest(table, values), brute)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 4.0])
def test_symmetric_shape_is_recovered(alpha):
    rho = np.exp(gammaln([1 / alpha]) + gammaln(3 / alpha) - 2 * gammaln(2 / alpha))
    np.testing.assert_allclose(ggd_shape(rho, GRID), alpha, atol=1e-9)
    assert np.isnan(ggd_shape(np.array([np.nan]), GRID)).all()


def test_asymmetric_parameters_are_recovered():
    # Shape 2 is a Gaussian with a standard deviation for each side.
    random = np.random.default_rng(1)
    x = np.abs(random.normal(size=400_000))
    right = random.uniform(size=x.size) < 3 / (3 + 1.5)  # each half's mass is proportional to its deviation
    x = np.where(right, 3 * x, -1.5 * x)
    found = fit(x)
    np.testing.assert_allclose(found.alpha, 2, rtol=0.02)
    np.testing.assert_allclose(found.sigma, [[1.5, 3]], rtol=0.02)
    np.testing.assert_allclose(found.beta, np.sqrt(2) * found.sigma, rtol=0.02)
    np.testing.assert_allclose(found.mean, x.mean(), rtol=0.02)


def test_zeros_belong_to_neither_side_and_a_single_side_has_no_fit():
    found = fit(np.array([-1.0, -2.0, 0.0, 0.0, 3.0]))
    np.testing.assert_allclose(found.sigma, [[np.sqrt(2.5), 3]])
    for one_sided in (np.array([1.0, 2.0]), np.zeros(4)):
        assert np.isnan(fit(one_sided).mean).all()
        assert np.isnan(fit(one_sided).sigma[0, 0])
        assert fit(one_sided).alpha == 0.2

"""Moment matching of symmetric and asymmetric generalised Gaussians (GGD, AGGD) by table look-up.

Both estimators return the grid point whose ratio of moments is nearest to the measured one. The ratio is monotone in
the shape, so a binary search finds what the references find by exhaustive comparison. All of this is float64 on the
host: there are few moments, and their tenth digit can decide between two grid points.

Sharifi and Leon-Garcia, "Estimation of shape parameter for generalized Gaussian distributions in subband
decompositions of video", IEEE TCSVT 5(1), 1995; Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model
for texture analysis", ICIP 2009.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped


class Shapes(NamedTuple):
    """A grid of GGD shapes and their moments; G is the Gamma function.

    Attributes:
        alpha: shapes, ascending.
        ratio: G(1/a) G(3/a) / G(2/a)^2, mean square over squared mean absolute value; descending.
        scale: sqrt(G(1/a) / G(3/a)), the scale for standard deviation 1.
        mean: G(2/a) / G(1/a), the mean absolute value for scale 1.
    """

    alpha: Float[np.ndarray, " k"]
    ratio: Float[np.ndarray, " k"]
    scale: Float[np.ndarray, " k"]
    mean: Float[np.ndarray, " k"]


class Asymmetric(NamedTuple):
    """AGGD parameters: shape; standard deviation and scale of the negative and positive halves; mean."""

    alpha: Float[np.ndarray, "*n"]
    sigma: Float[np.ndarray, "*n 2"]
    beta: Float[np.ndarray, "*n 2"]
    mean: Float[np.ndarray, "*n"]


@functools.cache
def shapes(first: float, step: float, count: int, dtype: str = "float64") -> Shapes:
    """Returns the grid first, first + step, ..., rounded to `dtype`, with its moments in float64."""
    alpha = (first + step * np.arange(count)).astype(dtype).astype(np.float64)
    one, two, three = (np.array([math.lgamma(n / a) for a in alpha]) for n in (1, 2, 3))
    return Shapes(alpha, np.exp(one + three - 2 * two), np.exp((one - three) / 2), np.exp(two - one))


def nearest(
    table: Float[np.ndarray, " k"], values: Shaped[np.ndarray, "*n"] | float
) -> Shaped[np.ndarray, "*n"] | np.integer:
    """Returns the indices of the entries of a strictly monotone `table` nearest to `values`, the first of two if tied.

    Values beyond an end get the index of that end. So do NaN, which the caller must handle.
    """
    if table[0] > table[-1]:
        table, values = -table, -np.asarray(values)
    values = np.clip(values, table[0], table[-1])
    right = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
    return right - (np.abs(values - table[right - 1]) <= np.abs(table[right] - values))


def ggd_shape(rho: Float[np.ndarray, "*n"], grid: Shapes) -> Float[np.ndarray, "*n"]:
    """Estimates GGD shapes from rho = mean(x^2) / mean(|x|)^2; NaN where rho is NaN."""
    return np.where(np.isnan(rho), np.nan, grid.alpha[nearest(grid.ratio, rho)])


def fit_aggd(
    squares: Float[np.ndarray, "*n 2"],
    counts: Float[np.ndarray, "*n 2"],
    absolute: Float[np.ndarray, "*n"],
    size: Float[np.ndarray, "*n"] | float,
    grid: Shapes,
) -> Asymmetric:
    """Fits AGGDs to sets of samples, from sums over each set; at least one leading axis.

    Args:
        squares: sums of x^2 over the negative and over the positive samples; zeros belong to neither.
        counts: numbers of negative and of positive samples.
        absolute: sums of |x|.
        size: number of samples.
        grid: grid of shapes.

    Returns:
        The fits. For a set without negative or without positive samples, that side's sigma and beta and the mean are
        NaN, and the shape is the first of the grid, as the references' argmin over NaN returns.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(squares / counts)
        balance = sigma[..., 0] / sigma[..., 1]
        mean_square = squares.sum(axis=-1) / size
        r = (absolute / size) ** 2 / mean_square
        r = r * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
    position = np.where(np.isnan(r), 0, nearest(1 / grid.ratio, r))
    beta = sigma * grid.scale[position][..., None]
    return Asymmetric(grid.alpha[position], sigma, beta, (beta[..., 1] - beta[..., 0]) * grid.mean[position])

"""Shapes of generalised Gaussians, symmetric and asymmetric, by matching moments against a table.

Both estimators take the point of a grid of shapes whose ratio of moments is nearest to the measured one. The ratio is
monotone in the shape, so a binary search finds what the references find by comparing with every entry. Everything here
is float64 on the host: the moments are a handful of numbers, and one step of the grid can hang on their tenth digit.

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
    """A grid of shapes, ascending, and what a generalised Gaussian of each has, G being the Gamma function.

    Attributes:
        alpha: the shapes.
        ratio: G(1/a) G(3/a) / G(2/a)^2, the ratio of mean square and squared mean absolute value; it descends.
        scale: sqrt(G(1/a) / G(3/a)), the scale of one with deviation 1.
        mean: G(2/a) / G(1/a), the mean absolute value of one with scale 1.
    """

    alpha: Float[np.ndarray, " k"]
    ratio: Float[np.ndarray, " k"]
    scale: Float[np.ndarray, " k"]
    mean: Float[np.ndarray, " k"]


class Asymmetric(NamedTuple):
    """Asymmetric generalised Gaussians: shape; deviation and scale of the negative and positive halves; mean."""

    alpha: Float[np.ndarray, "*n"]
    sigma: Float[np.ndarray, "*n 2"]
    beta: Float[np.ndarray, "*n 2"]
    mean: Float[np.ndarray, "*n"]


@functools.cache
def shapes(first: float, step: float, count: int, dtype: str = "float64") -> Shapes:
    """The grid first, first + step, ..., each rounded to `dtype`; the rest is of the rounded shapes, in float64."""
    alpha = (first + step * np.arange(count)).astype(dtype).astype(np.float64)
    one, two, three = (np.array([math.lgamma(n / a) for a in alpha]) for n in (1, 2, 3))
    return Shapes(alpha, np.exp(one + three - 2 * two), np.exp((one - three) / 2), np.exp(two - one))


def nearest(
    table: Float[np.ndarray, " k"], values: Shaped[np.ndarray, "*n"] | float
) -> Shaped[np.ndarray, "*n"] | np.integer:
    """Positions of the entries of a strictly monotone `table` nearest to `values`, the first of two as near.

    What is beyond an end gets that end's position; so does NaN, which the caller is to keep apart.
    """
    if table[0] > table[-1]:
        table, values = -table, -np.asarray(values)
    values = np.clip(values, table[0], table[-1])
    right = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
    return right - (np.abs(values - table[right - 1]) <= np.abs(table[right] - values))


def ggd_shape(rho: Float[np.ndarray, "*n"], grid: Shapes) -> Float[np.ndarray, "*n"]:
    """Shapes of symmetric ones from rho = mean(x^2) / mean(|x|)^2; NaN where rho is."""
    return np.where(np.isnan(rho), np.nan, grid.alpha[nearest(grid.ratio, rho)])


def fit_aggd(
    squares: Float[np.ndarray, "*n 2"],
    counts: Float[np.ndarray, "*n 2"],
    absolute: Float[np.ndarray, "*n"],
    size: Float[np.ndarray, "*n"] | float,
    grid: Shapes,
) -> Asymmetric:
    """Fits asymmetric ones to sets of samples, from sums over the samples; at least one axis of sets.

    Args:
        squares: sums of x^2 over the negative and over the positive samples; zeros belong to neither.
        counts: how many of each there are.
        absolute: sums of |x|.
        size: how many samples there are.
        grid: of shapes.

    Returns:
        The fits. Where there is no negative or no positive sample that side's sigma and beta and the mean are NaN, and
        the shape is the grid's first, as a search for the least of many NaN ends in the references.
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

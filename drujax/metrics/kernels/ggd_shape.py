"""GGD shape estimation inside a compiled program, on the fine grid of Ma et al. (`gama_gen_gauss.m`)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.metrics.kernels.aggd import shapes

LEAST, STEP, COUNT = 0.03, 0.001, 9971  # 0.03, 0.031, ..., 10
EPSILON = 1e-7


def gaussian_shape(samples: Float[Array, "*rest n"]) -> Float[Array, "*rest"]:
    """Estimates the GGD exponent (0.03..10) from the ratio var / mean(|x|)^2 of `samples` about their mean.

    The variance is the unbiased one. 2 is a Gaussian, 1 a Laplacian; constant samples give 10, the end of the grid.
    """
    deviation = samples - samples.mean(-1, keepdims=True)
    variance = jnp.square(deviation).sum(-1) / (samples.shape[-1] - 1)
    return shape_of_moments(variance, jnp.abs(deviation).mean(-1))


def shape_of_moments(variance: Float[Array, "*rest"], deviation: Float[Array, "*rest"]) -> Float[Array, "*rest"]:
    """Estimates the exponent from the variance and the mean absolute deviation."""
    return _nearest(variance / (jnp.square(deviation) + EPSILON))


def _nearest(ratio: Float[Array, "*rest"]) -> Float[Array, "*rest"]:
    """Returns the grid's exponent with the nearest ratio; of tied ones the smaller, as MATLAB's `min` does."""
    grid = shapes(LEAST, STEP, COUNT)
    rising, falling = jnp.asarray(grid.ratio[::-1]), jnp.asarray(grid.alpha[::-1])
    above = jnp.clip(jnp.searchsorted(rising, ratio), 1, COUNT - 1)
    nearer_above = rising[above] - ratio <= ratio - rising[above - 1]
    return falling[jnp.where(nearer_above, above, above - 1)]

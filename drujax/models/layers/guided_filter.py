"""Local linear fits on a coarse grid: the coefficients of a guided filter.

In the window around each place of the grid, values become the linear function of a guide that fits them best, and the
functions of all windows that hold a place are averaged there (He, Sun and Tang, "Guided Image Filtering", TPAMI 35(6),
2013). Applied to a guide of any resolution, the functions have its edges and their own smoothness.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.layers.windows import windows


class Linear(NamedTuple):
    """Linear functions of the guide, one a place and value: slope * guide + offset."""

    slope: Float[Array, "b gh gw c"]
    offset: Float[Array, "b gh gw c"]


def fit(
    guide: Float[Array, "b h w"], values: Float[Array, "b h w c"], *, radius: float, regularisation: float
) -> Linear:
    """Fits the values by linear functions of the guide.

    Args:
        guide: an image.
        values: images of the same size.
        radius: half the side of the windows, as a share of the images' shorter side.
        regularisation: windows in which the guide has a smaller variance count as even, and get a constant.
    """
    _, h, w = guide.shape
    rows, columns = windows(h, radius * min(h, w)), windows(w, radius * min(h, w))
    guide = guide[..., None]
    # Around the mean of the whole image, where squares lose less to rounding.
    shift = guide.mean((1, 2), keepdims=True)
    centred = guide - shift
    mean_guide, mean_values = (_both(rows.mean, columns.mean, x) for x in (centred, values))
    variance = jnp.maximum(_both(rows.mean, columns.mean, centred**2) - mean_guide**2, 0)
    covariance = _both(rows.mean, columns.mean, centred * values) - mean_guide * mean_values
    slope = covariance / (variance + regularisation)
    offset = mean_values - slope * (mean_guide + shift)
    return Linear(*(_both(rows.smooth, columns.smooth, x) for x in (slope, offset)))


def _both(rows: np.ndarray, columns: np.ndarray, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    return jnp.einsum("ih,bhwc,jw->bijc", rows, x, columns, precision=jax.lax.Precision.HIGHEST)

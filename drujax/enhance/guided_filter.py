"""Transfers the exposure of a network's output to the input image, along the image's own edges.

A network with a small receptive field may brighten one part of a flat sky and not the next, blur lines or shift
colours. A guided filter (He, Sun and Tang, "Guided Image Filtering", TPAMI 35(6), 2013) takes only the exposure from
its output: around each pixel, the logarithm of the gain becomes the linear function of the logarithm of the image's
luma that fits the output best. So equal neighbours stay equal, and lines, texture and the ratios of red, green and blue
are those of the image. No pixel becomes darker.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.pictures.color import luma

# Half the side of the windows in which linear functions are fitted, relative to the image's shorter side.
RADIUS = 0.4
# Regularisation: windows whose log luma has a smaller variance count as flat.
EVEN = 0.02
# Added to luma before its logarithm: four levels of 255. Below that, the gain would amplify noise.
DARKEST = 4 / 255
# The functions vary slowly, so they are fitted on a grid of at most this many points per axis.
GRID = 64


def transfer_luminance(image: Float[Array, "b h w 3"], enhanced: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Returns `image` with the exposure of `enhanced`, both nominally in [0, 1]; the result may exceed 1."""
    _, h, w, _ = image.shape
    guide = jnp.log(luma(image) + DARKEST)
    gain = jnp.log(luma(jnp.clip(enhanced, 0, 1)) + DARKEST) - guide
    radius = RADIUS * min(h, w)
    rows, columns = _windows(h, radius), _windows(w, radius)

    def mean(x):
        return _both(rows.means, columns.means, x)

    mean_guide, mean_gain = mean(guide), mean(gain)
    # Relative to the mean of the whole image, which reduces rounding errors of the squares.
    shift = guide.mean((1, 2), keepdims=True)
    centred, mean_centred = guide - shift, mean_guide - shift
    variance = jnp.maximum(mean(centred**2) - mean_centred**2, 0)
    slope = (mean(centred * gain) - mean_centred * mean_gain) / (variance + EVEN)
    offset = mean_gain - slope * mean_guide
    slope, offset = (_both(rows.spread, columns.spread, x) for x in (slope, offset))
    # Lamps are brighter than the samples of the fit; extrapolation must not dim them.
    return image * jnp.exp(jnp.maximum(slope * guide + offset, 0))[..., None]


class _Windows(NamedTuple):
    """Averaging matrices of one axis with n pixels and g grid points."""

    means: Float[np.ndarray, "g n"]  # over the window around each grid point
    spread: Float[np.ndarray, "n g"]  # from grid points to pixels, averaged over the window around each


def _windows(n: int, radius: float) -> _Windows:
    g = min(n, GRID)
    places = (np.arange(g) + 0.5) * n / g  # in pixels; pixel i covers i to i + 1
    first, last = np.clip(places - radius - 0.5, 0, n), np.clip(places + radius + 0.5, 0, n)
    pixels = np.arange(n)
    covered = np.clip(np.minimum(last[:, None], pixels + 1) - np.maximum(first[:, None], pixels), 0, 1)
    means = covered / covered.sum(1, keepdims=True)
    again = (np.abs(places[:, None] - places) <= radius + 0.5).astype(float)
    again /= again.sum(1, keepdims=True)
    between = np.clip((pixels + 0.5) * g / n - 0.5, 0, g - 1)
    linear = np.maximum(0, 1 - np.abs(between[:, None] - np.arange(g)))
    return _Windows(means.astype(np.float32), (linear @ again).astype(np.float32))


def _both(rows: np.ndarray, columns: np.ndarray, x: Float[Array, "b h w"]) -> Float[Array, "b h2 w2"]:
    return jnp.einsum("ih,bhw,jw->bij", rows, x, columns, precision=jax.lax.Precision.HIGHEST)

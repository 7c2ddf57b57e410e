"""Ma's first group of features: statistics of the DCT of overlapping blocks (Ma et al. 2017, section 3.1).

Windows, percentiles and constants are those of the official MATLAB code (chaoma99/sr-metric, `block_dct.m`).
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.metrics.kernels.ggd_shape import shape_of_moments

SIDE, STRIDE, BEFORE = 7, 3, 2
EPSILONS = (1e-7, 1e-8, 1e-8, 1e-8)  # for all coefficients, and for each orientation

# Coefficients of the diagonal orientation as (row, first column, end column); the others are ROWS and its transpose.
MIDDLE = [(1, 1, 2), (2, 2, 4), (3, 2, 5), (4, 3, 7), (5, 4, 7), (6, 4, 7)]
ROWS = [(0, 1, 7), (1, 2, 7), (2, 4, 7), (3, 5, 7)]


def block_dct_features(image: Float[Array, "h w"], *, reference: str) -> Float[Array, " 6"]:
    """Computes GGD shape, coefficient of variation, and its variance across orientations, for an image in 0..1.

    Each is averaged over the blocks in a tail of its distribution, and over all blocks. `reference` "pyiqa" differs
    from "matlab" in the origin of the block grid and in the tails' limits.
    """
    dct = _block_dcts(image, reference)
    count = dct.shape[1]
    # Sums over coefficients as products with 0/1 matrices: several times as fast as reductions on CPU.
    groups = jnp.asarray(_groups())
    size = groups.sum(1, keepdims=True)
    mean, mean_square = groups @ jnp.abs(dct) / size, groups @ jnp.square(dct) / size
    variance = jnp.maximum(mean_square - jnp.square(mean), 0) * size / (size - 1)
    spread, *oriented = jnp.sqrt(variance) / (mean + jnp.asarray(EPSILONS)[:, None])
    between = jnp.var(jnp.stack(oriented), axis=0, ddof=1)
    signed_mean = groups[:1] @ dct / size[0]
    deviation = groups[0] @ jnp.abs(dct - signed_mean) / size[0]
    shape = shape_of_moments((mean_square[0] - jnp.square(signed_mean[0])) * size[0] / (size[0] - 1), deviation)
    low, high = math.ceil(0.1 * count), int(0.9 * count)
    if reference == "pyiqa":
        low += 1
    else:
        high -= 1  # MATLAB indices start at one
    shape, spread, between = jnp.sort(jnp.stack([shape, spread, between]))
    tails = (shape[:low], spread[high:], between[high:])
    return jnp.stack(
        [x.mean() for tail, every in zip(tails, (shape, spread, between), strict=True) for x in (tail, every)]
    )


def _block_dcts(image: Float[Array, "h w"], reference: str) -> Float[Array, "k n"]:
    """Computes the 49 coefficients (row-major) of each block; blocks at the border are zero-padded."""
    sizes = [-(-side // STRIDE) for side in image.shape]
    pads = []
    for side, count in zip(image.shape, sizes, strict=True):
        total = (count - 1) * STRIDE + SIDE - side
        before = total // 2 if reference == "pyiqa" else BEFORE  # "same" padding
        pads.append((before, total - before))
    padded = jnp.pad(image, pads)
    rows, columns = (STRIDE * (count - 1) + 1 for count in sizes)
    pixels = [
        padded[i : i + rows : STRIDE, j : j + columns : STRIDE].reshape(-1) for i in range(SIDE) for j in range(SIDE)
    ]
    return jnp.asarray(_dct_matrix()) @ jnp.stack(pixels)


def _dct_matrix() -> np.ndarray:
    """Returns the orthonormal two-dimensional DCT-II matrix for a flattened block."""
    k, n = np.arange(SIDE)[:, None], np.arange(SIDE)
    one = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE))
    one[0] /= np.sqrt(2)
    return np.kron(one, one)


def _groups() -> np.ndarray:
    """Returns 0/1 masks of the groups of coefficients: all but the mean, then the three orientations."""
    every, rows, middle = np.zeros((3, SIDE, SIDE))
    every.flat[1:] = 1
    for group, spans in ((rows, ROWS), (middle, MIDDLE)):
        for i, first, end in spans:
            group[i, first:end] = 1
    return np.stack([every, rows, middle, rows.T]).reshape(4, -1)

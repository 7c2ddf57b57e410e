"""The 138 features of Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 2017.

Three groups: block DCT (18), steerable pyramid (45), singular values of blocks (75). Two references: "matlab", the
official code, and "pyiqa", IQA-PyTorch's, which differs from it in a few windows and borders (see the two modules).

Everything is float64, in a scope of its own: singular values span four decades and the scale mixture inverts a
covariance, so that float32 would be right to two or three digits. A program is compiled for each size of picture
(the spectrum depends on it) and run picture by picture, so that results do not depend on the batch.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.errors import UsageError
from drujax.metrics.kernels.block_dct import block_dct_features
from drujax.metrics.kernels.precision import float64
from drujax.metrics.kernels.scale_mixture import scale_mixture_features
from drujax.metrics.kernels.steerable import Masks, pyramid_masks

Reference = Literal["pyiqa", "matlab"]
LEAST_SIDE = 45  # level 1 without its border of 1 and guard of 16 holds one window of 11
BLOCK = 5


class Features(NamedTuple):
    """The three groups, each of which has its forest."""

    dct: Float[np.ndarray, "b 18"]
    mixture: Float[np.ndarray, "b 45"]
    singular: Float[np.ndarray, "b 75"]


def ma_features(luma: UInt8[np.ndarray, "b h w"], reference: Reference) -> Features:
    """The features of luma 0..255, both sides at least 45 pixels.

    Raises:
        UsageError: a side is smaller.
    """
    h, w = luma.shape[1:]
    if min(h, w) < LEAST_SIDE:
        raise UsageError(f"ma: pictures of {w}x{h} pixels (without their border) are under {LEAST_SIDE}x{LEAST_SIDE}.")
    with float64():
        masks = _masks_on_device(h, w)
        rows = [_features(jnp.asarray(picture, jnp.float64), masks, reference=reference) for picture in luma]
        table = np.stack([np.asarray(row) for row in rows]) if rows else np.zeros((0, 138))
    return Features(table[:, :18], table[:, 18:63], table[:, 63:])


@functools.lru_cache(maxsize=4)
def _masks_on_device(h: int, w: int) -> Masks:
    """To be called, as `_features`, where 64 bits are enabled."""
    return jax.tree.map(jnp.asarray, pyramid_masks(h, w))


@functools.partial(jax.jit, static_argnames="reference")
def _features(luma: Float[Array, "h w"], masks: Masks, *, reference: str) -> Float[Array, " 138"]:
    scales = [luma / 255]
    for _ in range(2):
        scales.append(_half(scales[-1]))
    dct = [block_dct_features(scale, reference=reference) for scale in scales]
    mixture = scale_mixture_features(luma, masks, reference=reference)
    return jnp.concatenate([*dct, mixture, *map(_singular_values, scales)])


def _half(image: Float[Array, "h w"]) -> Float[Array, "h2 w2"]:
    """Every second pixel, from the second on, of a 3x3 Gaussian of sigma 0.5, with zeros outside."""
    taps = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * 0.5**2))
    side, middle = (float(tap) for tap in taps[:2] / taps.sum())
    padded = jnp.pad(image, 1)
    rows = side * (padded[:-2] + padded[2:]) + middle * padded[1:-1]
    return (side * (rows[:, :-2] + rows[:, 2:]) + middle * rows[:, 1:-1])[1::2, 1::2]


def _singular_values(image: Float[Array, "h w"]) -> Float[Array, " 25"]:
    """Of the matrix of all 5x5 blocks side by side, zeros filling the last ones."""
    h, w = image.shape
    padded = jnp.pad(image, ((0, -h % BLOCK), (0, -w % BLOCK)))
    blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // BLOCK, BLOCK)
    matrix = blocks.transpose(0, 2, 1, 3).reshape(-1, BLOCK * BLOCK)
    # The lengths of the matrix's components along the eigenvectors of its square: unlike the roots of the eigenvalues,
    # they have the precision of a decomposition of the matrix itself, which takes many times as long.
    _, vectors = jnp.linalg.eigh(matrix.T @ matrix)
    return jnp.sort(jnp.sqrt(jnp.square(matrix @ vectors).sum(0)))[::-1]

"""The 138 features of Ma et al., "Learning a no-reference quality metric for single-image super-resolution", CVIU 2017.

Three groups: block DCT (18), steerable pyramid (45), singular values of blocks (75). Two references: "matlab", the
official code, and "pyiqa", IQA-PyTorch's, which differs in a few windows and borders (see block_dct and scale_mixture).

All computations are in float64, enabled locally: singular values span four decades and the scale mixture inverts a
covariance, so float32 would be accurate to two or three digits only. A program is compiled for each image size (the
spectrum depends on it) and run image by image, so that results do not depend on the batch.
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
LEAST_SIDE = 45  # level 1, minus its border of 1 and its guard band of 16 on each side, fits one window of 11
BLOCK = 5


class Features(NamedTuple):
    """The three groups of features; each has its own forest."""

    dct: Float[np.ndarray, "b 18"]
    mixture: Float[np.ndarray, "b 45"]
    singular: Float[np.ndarray, "b 75"]


def ma_features(luma: UInt8[np.ndarray, "b h w"], reference: Reference) -> Features:
    """Computes the features of luma images in 0..255, each side at least 45 pixels.

    Raises:
        UsageError: a side is smaller.
    """
    h, w = luma.shape[1:]
    if min(h, w) < LEAST_SIDE:
        raise UsageError(f"ma: images must be at least {LEAST_SIDE}x{LEAST_SIDE} pixels without border, got {w}x{h}")
    with float64():
        masks = _masks_on_device(h, w)
        rows = [_features(jnp.asarray(image, jnp.float64), masks, reference=reference) for image in luma]
        table = np.stack([np.asarray(row) for row in rows]) if rows else np.zeros((0, 138))
    return Features(table[:, :18], table[:, 18:63], table[:, 63:])


@functools.lru_cache(maxsize=4)
def _masks_on_device(h: int, w: int) -> Masks:
    """To be called, like `_features`, with 64-bit types enabled."""
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
    """Blurs with a 3x3 Gaussian of sigma 0.5 (zero-padded) and keeps every second pixel, starting at the second."""
    taps = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * 0.5**2))
    side, middle = (float(tap) for tap in taps[:2] / taps.sum())
    padded = jnp.pad(image, 1)
    rows = side * (padded[:-2] + padded[2:]) + middle * padded[1:-1]
    return (side * (rows[:, :-2] + rows[:, 2:]) + middle * rows[:, 1:-1])[1::2, 1::2]


def _singular_values(image: Float[Array, "h w"]) -> Float[Array, " 25"]:
    """Returns the singular values of the matrix whose rows are the flattened 5x5 blocks, zero-padded at the end."""
    h, w = image.shape
    padded = jnp.pad(image, ((0, -h % BLOCK), (0, -w % BLOCK)))
    blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // BLOCK, BLOCK)
    matrix = blocks.transpose(0, 2, 1, 3).reshape(-1, BLOCK * BLOCK)
    # Norms of the matrix times the eigenvectors of its Gram matrix. Unlike the roots of the eigenvalues, they are as
    # precise as an SVD of the matrix itself, which takes many times as long.
    _, vectors = jnp.linalg.eigh(matrix.T @ matrix)
    return jnp.sort(jnp.sqrt(jnp.square(matrix @ vectors).sum(0)))[::-1]

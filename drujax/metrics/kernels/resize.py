"""MATLAB's imresize: bicubic (a = -0.5), antialiased when downsampling, symmetric padding.

The kernel is stretched by the downsampling factor, and its weights are normalised for each output pixel. Rows are
resized before columns.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped


class Taps(NamedTuple):
    """Each of n output pixels is the sum of k input pixels, `source`, times `weight`."""

    source: Int[np.ndarray, "n k"]
    weight: Float[np.ndarray, "n k"]


@functools.cache
def taps(length: int, output: int, scale: float) -> Taps:
    """Computes imresize's taps for resizing an axis of `length` pixels by `scale` to `output` pixels."""
    stretch = min(scale, 1.0)
    support = 4.0 / stretch
    centre = (np.arange(output) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(int)
    index = first[:, None] + np.arange(int(np.ceil(support)) + 2)
    weight = stretch * cubic(stretch * (centre[:, None] - index))
    weight /= weight.sum(axis=1, keepdims=True)
    used = np.flatnonzero(weight.any(axis=0))
    return Taps(mirrored(index[:, used], length), weight[:, used])


def imresize(image: Float[Any, "*b _ _"], scale: float, size: tuple[int, int] | None = None) -> Float[Any, "*b _ _"]:
    """Resizes `image` (..., h, w), a NumPy or JAX array, by `scale` in its own dtype.

    `size` is the size of the result, by default ceil(scale h) x ceil(scale w). (MATLAB's imresize to a given size
    scales each axis by its own factor: call `resize_axis` twice.)
    """
    h, w = image.shape[-2:]
    rows, columns = size or (int(np.ceil(scale * h)), int(np.ceil(scale * w)))
    return resize_axis(resize_axis(image, -2, taps(h, rows, scale)), -1, taps(w, columns, scale))


def resize_axis(image: Float[Any, "*b _ _"], axis: int, along: Taps) -> Float[Any, "*b _ _"]:
    """Resizes `image` along one axis.

    Weights are applied to differences from one of the pixels, so that constants are preserved exactly.
    """
    first = image.take(along.source[:, along.source.shape[1] // 2], axis=axis)
    result = first
    for index, weight in zip(along.source.T, along.weight.T, strict=True):
        weight = weight.astype(image.dtype).reshape(-1, *[1] * (-1 - axis))
        result = result + weight * (image.take(index, axis=axis) - first)
    return result


def mirrored(index: Int[np.ndarray, "..."], length: int) -> Int[np.ndarray, "..."]:
    """Maps indices beyond an axis of `length` into it by symmetric reflection: 2 1 0 | 0 1 2 ..., repeatedly."""
    index = index % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def cubic(t: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Keys' cubic convolution kernel with a = -0.5."""
    t = np.abs(t)
    inner = 1.5 * t**3 - 2.5 * t**2 + 1
    outer = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))


# The eight taps of downsampling by 2 (four, mirrored at the output's centre), and the border that they need.
HALF_BORDER = 4
HALF = np.array([111, 29, -9, -3]) / 256


def halved(mirrored: Shaped[Array, "_ _"]) -> Float[Array, "_ _"]:
    """`imresize` by 0.5 of an image with even sides and a mirrored border of 4 pixels; jittable, by slices."""
    return _halved(jax.lax.optimization_barrier(_halved(mirrored.astype(jnp.float32), -2)), -1)


def _halved(x, axis: int):
    length = x.shape[axis] - 2 * HALF_BORDER

    def every_second(start: int):
        start += HALF_BORDER
        return jax.lax.slice_in_dim(x, start, start + length, 2, axis)

    first = every_second(0)
    pairs = ((every_second(1 + k) - first) + (every_second(-k) - first) for k in range(len(HALF)))
    return first + sum((float(weight) * pair for weight, pair in zip(HALF, pairs, strict=True)), jnp.zeros((), x.dtype))

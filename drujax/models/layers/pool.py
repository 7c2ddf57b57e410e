"""Pooling: adaptive averages as in PyTorch, and blurred subsampling."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.layers.conv import is_known


def adaptive_average_pool(x: Float[Array, "b h w c"], side: int) -> Float[Array, "b side side c"]:
    """Averages over side x side areas: area i of n rows is [floor(i n / side), ceil((i + 1) n / side)).

    Areas overlap if n is not a multiple of `side`; if n < `side`, rows repeat.
    """
    rows, columns = (jnp.asarray(_areas(n, side), x.dtype) for n in x.shape[1:3])
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x, precision="highest")


def blur_pool2(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Blurs by [1, 2, 1] / 4 along both axes, padded by reflection, and keeps every second pixel, the first included.

    Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, as CUT's anti-aliased generator has it.
    Heights and widths must be at least 2.
    """
    for axis in (1, 2):
        n = x.shape[axis]
        padded = jnp.pad(x, [(1, 1) if at == axis else (0, 0) for at in range(4)], mode="reflect")
        before, at, after = (jax.lax.slice_in_dim(padded, i, i + n, 2, axis) for i in range(3))
        x = (before + 2 * at + after) / 4
    return x


def _areas(n: Any, side: int) -> Float[Any, "side n"]:
    if not is_known(n):
        index, at = jnp.arange(side)[:, None], jnp.arange(n)
        start, stop = index * n // side, -(-(index + 1) * n // side)
        return ((at >= start) & (at < stop)) / (stop - start)
    weights = np.zeros((side, n))
    for i in range(side):
        start, stop = i * n // side, -(-(i + 1) * n // side)
        weights[i, start:stop] = 1 / (stop - start)
    return weights

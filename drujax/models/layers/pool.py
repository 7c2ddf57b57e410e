"""Adaptive average pooling, as in PyTorch."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def adaptive_average_pool(x: Float[Array, "b h w c"], side: int) -> Float[Array, "b side side c"]:
    """Averages over side x side areas: area i of n rows is [floor(i n / side), ceil((i + 1) n / side)).

    Areas overlap if n is not a multiple of `side`; if n < `side`, rows repeat.
    """
    rows, columns = (jnp.asarray(_areas(n, side), x.dtype) for n in x.shape[1:3])
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x, precision="highest")


def _areas(n: int, side: int) -> Float[np.ndarray, "side n"]:
    weights = np.zeros((side, n))
    for i in range(side):
        start, stop = i * n // side, -(-(i + 1) * n // side)
        weights[i, start:stop] = 1 / (stop - start)
    return weights

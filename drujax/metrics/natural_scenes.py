"""The parameters of BRISQUE and NIQE, which LIVE released and allows to distribute (data/NOTICE.txt), and the sums of
coefficients that both are made of.
"""

import functools
import io
from collections.abc import Callable
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.metrics.aggd import Shapes, shapes
from drujax.metrics.resize import HALF_BORDER, halved
from drujax.metrics.strips import strip_height

GRID = (0.2, 0.001, 9801)  # shapes 0.2 .. 10, as LIVE's code has them
STRIP_UNIT = 96  # the highest blocks that strips consist of: NIQE's

# Gives rows of a picture as float32: `count` from `first` on, also up to 4 beyond its edges, with any content there.
Plane = Callable[[Any, int], Float[Array, "count w"]]


@functools.cache
def parameters() -> dict[str, Any]:
    """The arrays of data/natural_scenes.npz, float64."""
    content = resources.files("drujax.metrics").joinpath("data/natural_scenes.npz").read_bytes()
    with np.load(io.BytesIO(content)) as archive:
        return dict(archive)


def grid(dtype: str = "float64") -> Shapes:
    """The grid of shapes, its points rounded to `dtype`."""
    return shapes(*GRID, dtype)


def two_scales(mirrored: UInt8[Array, "_ _"]) -> tuple[tuple[Plane, tuple[int, int]], ...]:
    """Rows of a picture with a mirrored border of 4 pixels, and of its half size, and the sizes of both."""
    high, wide = (side - 2 * HALF_BORDER for side in mirrored.shape)
    # Windows, neighbours and whole strips reach beyond the picture.
    above = HALF_BORDER + 4
    rows = jnp.pad(mirrored, ((above, above + 2 * strip_height(STRIP_UNIT)), (0, 0)))

    def full(first, count: int):
        part = jax.lax.dynamic_slice_in_dim(rows, first + HALF_BORDER + above, count)
        return part[:, HALF_BORDER:-HALF_BORDER].astype(jnp.float32)

    def half(first, count: int):
        return halved(jax.lax.dynamic_slice_in_dim(rows, 2 * first + above, 2 * (count + HALF_BORDER)))

    return (full, (high, wide)), (half, (-(-high // 2), -(-wide // 2)))


def sums_over_rows(x: Float[Array, "*b h w"]) -> list[Float[Array, "*b w"]]:
    """Sums over the second last axis: squares of what is negative, of what is positive, how many of each, |x|.

    Only rows are added here, in float32; the host adds the rest in float64.
    """
    square = x * x
    negative, positive = x < 0, x > 0
    parts = [jnp.where(negative, square, 0), jnp.where(positive, square, 0), negative, positive, jnp.abs(x)]
    return [part.astype(x.dtype).sum(axis=-2) for part in parts]

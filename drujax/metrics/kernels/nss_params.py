"""Natural scene statistics (NSS) shared by BRISQUE and NIQE: their parameters, two scales, and sums of coefficients.

LIVE released the parameters and permits their redistribution (data/NOTICE.txt).
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

from drujax.metrics.kernels.aggd import Shapes, shapes
from drujax.metrics.kernels.resize import HALF_BORDER, halved
from drujax.metrics.kernels.tiles import tile_size

GRID = (0.2, 0.001, 9801)  # shapes 0.2 .. 10, as in LIVE's code
TILE_UNIT = 96  # the largest block size that tiles are multiples of (NIQE's)

# `plane((row, column), (rows, columns))` returns that part of an image as float32. It may extend up to 4 pixels beyond
# the edges, where the content is arbitrary.
Plane = Callable[[tuple[Any, Any], tuple[int, int]], Float[Array, "rows columns"]]


@functools.cache
def parameters() -> dict[str, Any]:
    """Loads the arrays of data/natural_scenes.npz, float64."""
    content = resources.files("drujax.metrics").joinpath("data/natural_scenes.npz").read_bytes()
    with np.load(io.BytesIO(content)) as archive:
        return dict(archive)


def grid(dtype: str = "float64") -> Shapes:
    """Returns the grid of shapes, rounded to `dtype`."""
    return shapes(*GRID, dtype)


def two_scales(bordered: UInt8[Array, "n _ _"]) -> tuple[tuple[Plane, tuple[int, int]], ...]:
    """Returns planes of an image at full and half size, each with its size.

    The first of `bordered` has a mirrored border of 4 pixels, for downsampling; the last has the full-size plane's
    border.
    """
    high, wide = (side - 2 * HALF_BORDER for side in bordered.shape[1:])
    # Windows, neighbours and whole tiles extend beyond the image.
    before = HALF_BORDER + 4
    around = jnp.pad(bordered, [(0, 0), *((before, before + 2 * side) for side in tile_size(TILE_UNIT))])

    def part(of: UInt8[Array, "_ _"], first: tuple[Any, ...], size: tuple[int, ...]):
        return jax.lax.dynamic_slice(of, [start + before for start in first], size)

    def full(first: tuple[Any, Any], size: tuple[int, int]):
        return part(around[-1], tuple(start + HALF_BORDER for start in first), size).astype(jnp.float32)

    def half(first: tuple[Any, Any], size: tuple[int, int]):
        sides = tuple(2 * (side + HALF_BORDER) for side in size)
        return halved(part(around[0], tuple(2 * start for start in first), sides))

    return (full, (high, wide)), (half, (-(-high // 2), -(-wide // 2)))


def sums_over_rows(x: Float[Array, "*b h w"]) -> list[Float[Array, "*b w"]]:
    """Sums over rows: squares of negative values, squares of positive values, counts of each, and |x|.

    Only rows are summed here, in float32; the host sums the rest in float64.
    """
    square = x * x
    negative, positive = x < 0, x > 0
    parts = [jnp.where(negative, square, 0), jnp.where(positive, square, 0), negative, positive, jnp.abs(x)]
    return [part.astype(x.dtype).sum(axis=-2) for part in parts]

"""Pictures tile by tile inside a program, so that what is between two stages stays in the processor's cache.

A 1080p picture in float32 has 8 MB, and every stage that writes and reads it whole waits for memory. The number of
tiles is told at run time: an array may be larger than the picture in it for nothing but its memory.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

LEAST = (64, 128)  # rows, columns


def tile_size(unit: int = 1) -> tuple[int, int]:
    """Height and width of a tile: the least multiples of `unit` from 64 x 128 on, four times as many on an accelerator,
    which wants more work at once.
    """
    times = 1 if jax.default_backend() == "cpu" else 4
    height, width = (-(-least // unit) * unit * times for least in LEAST)
    return height, width


def over_tiles(
    function: Callable[[tuple[Any, Any]], Any], tile: Sequence[int], picture: Sequence[Any], array: Sequence[int]
) -> Any:
    """Stacks `function(first pixel)` for each tile of a picture, row by row: trees of arrays, their first axis as many
    tiles as the array of the picture may have, zeros at its end.

    Args:
        function: of the place (row, column) of a tile's first pixel.
        tile: size of a tile.
        picture: its size, told at run time.
        array: that of the array that it is in.
    """
    rows, columns = (-(-side // of) for side, of in zip(picture, tile, strict=True))
    most = math.prod(-(-side // of) for side, of in zip(array, tile, strict=True))
    shapes = jax.eval_shape(function, (jnp.int32(0), jnp.int32(0)))
    empty = jax.tree.map(lambda part: jnp.zeros((most, *part.shape), part.dtype), shapes)

    def step(place, results):
        found = function((place // columns * tile[0], place % columns * tile[1]))
        return jax.tree.map(lambda all, part: all.at[place].set(part), results, found)

    return jax.lax.fori_loop(0, rows * columns, step, empty)


def replicate_edges(
    tile: Float[Array, "rows columns"], first: tuple[Any, Any], size: tuple[Any, Any]
) -> Float[Array, "rows columns"]:
    """A tile whose first pixel is the picture's at `first`; beyond the picture of that `size`, its edge pixels.

    The tile has the edges that it goes beyond, and any content there. One inside the picture costs nothing.
    """
    outside = [(start < 0) | (start + side > end) for start, side, end in zip(first, tile.shape, size, strict=True)]
    return jax.lax.cond(outside[0] | outside[1], lambda x: _edges_go_on(x, first, size), lambda x: x, tile)


def _edges_go_on(tile, first, size):
    for axis in (0, 1):
        n = tile.shape[axis]
        places = jnp.expand_dims(first[axis] + jnp.arange(n), 1 - axis)
        ends = [
            jax.lax.dynamic_slice_in_dim(tile, jnp.clip(edge - first[axis], 0, n - 1), 1, axis)
            for edge in (0, size[axis] - 1)
        ]
        tile = jnp.where(places < 0, ends[0], jnp.where(places < size[axis], tile, ends[1]))
    return tile


def stitch(
    tiles: Shaped[np.ndarray, "_ *middle h w"], counts: tuple[int, int]
) -> Shaped[np.ndarray, "*middle rows columns"]:
    """The picture, or pictures, of what `over_tiles` stacked: counts[0] x counts[1] tiles side by side."""
    rows, columns = counts
    *middle, h, w = tiles.shape[1:]
    grid = tiles[: rows * columns].reshape(rows, columns, *middle, h, w)
    grid = np.moveaxis(grid, (0, 1), (-4, -2))  # ... row of tiles, row in it, column of tiles, column in it
    return grid.reshape(*middle, rows * h, columns * w)


def tile_grid(size: tuple[int, int], unit: int = 1) -> tuple[int, int]:
    """How many rows and columns of tiles a picture of `size` takes."""
    (h, w), (height, width) = size, tile_size(unit)
    return -(-h // height), -(-w // width)

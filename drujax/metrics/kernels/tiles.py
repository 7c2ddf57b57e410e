"""Tiling inside a program, so that intermediate results between stages stay in the CPU cache.

A 1080p image in float32 has 8 MB, and every stage that writes and reads all of it is bound by memory. The number of
tiles is a run-time argument, so an array may be larger than its image at the cost of memory only.
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
    """Returns height and width of a tile: the smallest multiples of `unit` that are at least 64 x 128.

    On accelerators each is four times as large, for more parallel work.
    """
    times = 1 if jax.default_backend() == "cpu" else 4
    height, width = (-(-least // unit) * unit * times for least in LEAST)
    return height, width


def over_tiles(
    function: Callable[[tuple[Any, Any]], Any], tile: Sequence[int], image_size: Sequence[Any], array: Sequence[int]
) -> Any:
    """Stacks `function((row, column))` for each tile of an image in row-major order.

    Args:
        function: from the position of a tile's first pixel to a tree of arrays.
        tile: size of a tile.
        image_size: size of the image, known at run time only.
        array: size of the array that holds it.

    Returns:
        The tree, with a leading axis for all tiles that the array can hold; those beyond the image are zero.
    """
    rows, columns = (-(-side // of) for side, of in zip(image_size, tile, strict=True))
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
    """Replaces the pixels of a tile that lie beyond the image by the image's edge pixels.

    `first` is the position of the tile's first pixel in the image, `size` the image's size. The tile must contain the
    edges that it extends beyond. Tiles inside the image cost nothing.
    """
    outside = [(start < 0) | (start + side > end) for start, side, end in zip(first, tile.shape, size, strict=True)]
    return jax.lax.cond(outside[0] | outside[1], lambda x: _replicate(x, first, size), lambda x: x, tile)


def _replicate(tile, first, size):
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
    """Assembles the tiles stacked by `over_tiles` into an image (or several) of counts[0] x counts[1] tiles."""
    rows, columns = counts
    *middle, h, w = tiles.shape[1:]
    grid = tiles[: rows * columns].reshape(rows, columns, *middle, h, w)
    grid = np.moveaxis(grid, (0, 1), (-4, -2))  # ..., tile row, row in tile, tile column, column in tile
    return grid.reshape(*middle, rows * h, columns * w)


def tile_grid(size: tuple[int, int], unit: int = 1) -> tuple[int, int]:
    """Returns the numbers of rows and columns of tiles that cover an image of `size`."""
    (h, w), (height, width) = size, tile_size(unit)
    return -(-h // height), -(-w // width)

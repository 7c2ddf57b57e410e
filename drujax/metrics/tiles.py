"""Pictures strip by strip inside a program, so that what is between two stages stays in the processor's cache.

A 1080p picture in float32 has 8 MB, and every stage that writes and reads it whole waits for memory. The number of
strips is told at run time: an array may be higher than the picture in it for nothing but its memory.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

LEAST = 64  # rows


def strip_height(unit: int = 1) -> int:
    """The height of a strip: the least multiple of `unit` rows from 64 on, four of them on an accelerator, which wants
    more work at once.
    """
    height = -(-LEAST // unit) * unit
    return height if jax.default_backend() == "cpu" else 4 * height


def over_strips(function: Callable[[Any], Any], count: Any, most: int) -> Any:
    """Stacks `function(0)`, ..., `function(count - 1)`: trees of arrays, their first axis `most`, zeros at its end."""
    shapes = jax.eval_shape(function, jnp.int32(0))
    empty = jax.tree.map(lambda part: jnp.zeros((most, *part.shape), part.dtype), shapes)

    def step(place, results):
        return jax.tree.map(lambda all, part: all.at[place].set(part), results, function(place))

    return jax.lax.fori_loop(0, count, step, empty)

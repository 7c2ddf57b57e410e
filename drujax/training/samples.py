"""Sample grids of a run: fixed images before and after enhancement."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.models.generator import attention_map
from drujax.pictures.color import to_uint8


def preview_generator(
    generator: nn.Module, variables: dict[str, Any], images: UInt8[Array | np.ndarray, "b h w 3"]
) -> tuple[Float[Array, "b h w 3"], ...]:
    """Returns the generator's enhanced images, and the attention maps that guide it, in [0, 1]."""
    x = jnp.asarray(images, jnp.float32) / 127.5 - 1
    attention = attention_map(x)
    enhanced, _ = generator.apply(variables, x, attention, train=False)
    return jnp.clip((enhanced + 1) / 2, 0, 1), jnp.repeat(attention, 3, -1)


def grid(
    images: UInt8[np.ndarray, "b h w 3"], shown: tuple[Float[np.ndarray, "b h w 3"], ...]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Assembles a grid with one row per image: the input, then each of `shown` (in [0, 1])."""
    columns = [images, *(to_uint8(pictures) for pictures in shown)]
    rows = np.concatenate(columns, axis=2)  # b h (columns w) 3
    return np.concatenate(list(rows), axis=0)

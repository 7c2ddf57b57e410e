"""The random patches that the local discriminator and the local self-feature-preserving loss look at."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from drujax.errors import UsageError

Offsets = Int[Array, "p 2"]


def draw_offsets(key: Key[Array, ""], count: int, shape: tuple[int, ...], size: int) -> Offsets:
    """Top left corners (y, x) of `count` patches in pictures of `shape` (height, width).

    Uniform over 0 .. side - size - 1, so that the last possible offset never comes: so does the official code.
    """
    if min(shape) < size:
        raise UsageError(f"crop: pictures of {shape[0]}x{shape[1]} are smaller than the patches of {size}x{size}")
    return jax.random.randint(key, (count, 2), 0, np.maximum(np.asarray(shape) - size, 1))


def cut(images: Float[Array, "b h w c"], offsets: Offsets, size: int) -> Float[Array, "b p {size} {size} c"]:
    """The patches at the same `offsets` of every picture of the batch.

    The picture comes before the patch in the result: merging the two axes keeps each device's pictures on it.
    """

    def patch(y, x):
        rows = jax.lax.dynamic_slice_in_dim(images, y, size, axis=1)
        return jax.lax.dynamic_slice_in_dim(rows, x, size, axis=2)

    return jnp.stack([patch(y, x) for y, x in offsets], 1)

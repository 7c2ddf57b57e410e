"""Random patches for the local discriminator and the local self-feature-preserving loss."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from drujax.errors import UsageError

Offsets = Int[Array, "p 2"]


def draw_offsets(key: Key[Array, ""], count: int, shape: tuple[int, ...], size: int) -> Offsets:
    """Draws top left corners (y, x) of `count` patches in images of `shape` (height, width).

    Uniform over 0 .. side - size - 1: the last possible offset is never drawn, as in the official code.

    Raises:
        UsageError: the images are smaller than the patches.
    """
    if min(shape) < size:
        raise UsageError(
            f"size: images must be at least as large as the patches ({size}x{size}), got {shape[0]}x{shape[1]}"
        )
    return jax.random.randint(key, (count, 2), 0, np.maximum(np.asarray(shape) - size, 1))


def cut(images: Float[Array, "b h w c"], offsets: Offsets, size: int) -> Float[Array, "b p {size} {size} c"]:
    """Crops patches at the same `offsets` from every image of the batch.

    The batch axis comes before the patch axis, so that merging the two keeps each device's images on it.
    """

    def patch(y, x):
        rows = jax.lax.dynamic_slice_in_dim(images, y, size, axis=1)
        return jax.lax.dynamic_slice_in_dim(rows, x, size, axis=2)

    return jnp.stack([patch(y, x) for y, x in offsets], 1)

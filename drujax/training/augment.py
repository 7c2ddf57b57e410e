"""Augmentation by rotation, transposition and zoom, as in the official CLIP-LIT."""

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float, Key

PROBABILITY = 0.3  # of a zoom, and of a rotation
MAX_ANGLE = jnp.pi / 2  # in either direction


def warped(
    images: Float[Array, "b s s 3"],
    key: Key[Array, ""],
    *,
    zoom: tuple[float | Float[Array, ""], float | Float[Array, ""]] = (0.7, 1.3),
) -> Float[Array, "b s s 3"]:
    """Augments square images: transposes half of them, zooms 30 % by independent vertical and horizontal factors in
    the range `zoom`, and rotates 30 %.

    Zoom and rotation are one bilinear resampling about the centre with reflection at the border. The official code
    zooms, rounds, and then rotates.
    """
    b, side = images.shape[:2]
    keys = jax.random.split(key, 5)
    transposed = jax.random.uniform(keys[0], (b, 1, 1, 1)) < 0.5
    images = jnp.where(transposed, images.swapaxes(1, 2), images)
    zooms = jax.random.uniform(keys[1], (b, 2), minval=zoom[0], maxval=zoom[1])
    zooms = jnp.where(jax.random.uniform(keys[2], (b, 1)) < PROBABILITY, zooms, 1.0)
    angles = jax.random.uniform(keys[3], (b,), minval=-MAX_ANGLE, maxval=MAX_ANGLE)
    angles = jnp.where(jax.random.uniform(keys[4], (b,)) < PROBABILITY, angles, 0.0)

    centre = (side - 1) / 2
    rows, columns = jnp.meshgrid(jnp.arange(side) - centre, jnp.arange(side) - centre, indexing="ij")

    def warp(image, zoom, angle):
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        down = (cos * rows - sin * columns) / zoom[0] + centre
        across = (sin * rows + cos * columns) / zoom[1] + centre
        channels = [map_coordinates(image[..., c], [down, across], order=1, mode="reflect") for c in range(3)]
        return jnp.stack(channels, -1)

    return jax.vmap(warp)(images, zooms, angles)

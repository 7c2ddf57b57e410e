"""Preprocessing of images for CLIP's encoders."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

RESOLUTION = 224
# Statistics of the RGB values in 0..1 of CLIP's training set.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def normalised(
    images: Float[Array, "b h w 3"], *, resolution: int = RESOLUTION, antialias: bool = False
) -> Float[Array, "b r r 3"]:
    """Resizes images in [0, 1] to a square (bilinear, aspect ratio not kept) and normalises them.

    torchvision's `Resize` antialiases tensors since 0.17, but not in 0.14.1, which CLIP-LIT pins.
    """
    size = (len(images), resolution, resolution, 3)
    images = jax.image.resize(images, size, "bilinear", antialias=antialias)
    return (images - jnp.array(MEAN, images.dtype)) / jnp.array(STD, images.dtype)

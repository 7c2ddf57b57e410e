"""Pictures as CLIP's encoders take them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

RESOLUTION = 224
# Of red, green, blue in 0..1, over the pictures that CLIP was trained on.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def normalised(
    images: Float[Array, "b h w 3"], *, resolution: int = RESOLUTION, antialias: bool = False
) -> Float[Array, "b r r 3"]:
    """Pictures in [0, 1] of any size, made square bilinearly, whatever their sides are, and normalised.

    `antialias` is what torchvision's `Resize` does to tensors since 0.17, but not in the 0.14.1 that CLIP-LIT pins.
    """
    size = (len(images), resolution, resolution, 3)
    images = jax.image.resize(images, size, "bilinear", antialias=antialias)
    return (images - jnp.array(MEAN, images.dtype)) / jnp.array(STD, images.dtype)

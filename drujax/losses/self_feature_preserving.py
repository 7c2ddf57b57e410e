"""Self-feature-preserving loss (SFP) of EnlightenGAN, the last two terms of the paper's equation 9."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.norm import instance_norm


def self_feature_preserving(enhanced: Float[Array, "*b h w c"], original: Float[Array, "*b h w c"]) -> Float[Array, ""]:
    """Mean squared difference of the instance-normalised VGG16 features of two images.

    Instance normalisation removes brightness and contrast, so that only content is compared. `original` is the dark
    image as read, even if the generator's input was darkened further.
    """
    return jnp.square(instance_norm(enhanced) - instance_norm(original)).mean()

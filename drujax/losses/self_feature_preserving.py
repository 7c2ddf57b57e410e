"""Self-feature-preserving loss (SFP) of EnlightenGAN, the last two terms of the paper's equation 9."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def self_feature_preserving(enhanced: Float[Array, "*b h w c"], original: Float[Array, "*b h w c"]) -> Float[Array, ""]:
    """Mean squared difference of the instance-normalised VGG16 features of two images.

    Instance normalisation removes brightness and contrast, so that only content is compared. `original` is the dark
    image as read, even if the generator's input was darkened further.
    """
    return jnp.square(_instance_norm(enhanced) - _instance_norm(original)).mean()


def _instance_norm(x: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Normalises each channel of each image to mean 0 and (biased) variance 1."""
    mean = x.mean((-3, -2), keepdims=True)
    variance = jnp.square(x - mean).mean((-3, -2), keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5)

"""Zero-DCE's network: eight curves for each pixel, estimated at full size.

Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020; official code
Li-Chongyi/Zero-DCE at e0f4adc5, whose layer names are kept.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.zero_dce_pp import ITERATIONS, apply_curves


class ZeroDCE(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3, curves b h w 24 in [-1, 1]), any h, w >= 1.

    enhanced is x <- x + A x (x - 1), applied once with each curve A, and is not clipped.

    Attributes:
        features: channels of the hidden layers.
    """

    features: int = 32

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 24"]]:
        x1 = nn.relu(self._layer(1, image))
        x2 = nn.relu(self._layer(2, x1))
        x3 = nn.relu(self._layer(3, x2))
        x4 = nn.relu(self._layer(4, x3))
        x5 = nn.relu(self._layer(5, x3, x4))
        x6 = nn.relu(self._layer(6, x2, x5))
        curves = jnp.tanh(self._layer(7, x1, x6, features=3 * ITERATIONS))
        return apply_curves(image, curves), curves

    def _layer(self, number: int, *maps: Float[Array, "b h w _"], features: int | None = None):
        return Conv(features or self.features, 3, padding=1, name=f"e_conv{number}")(jnp.concatenate(maps, -1))

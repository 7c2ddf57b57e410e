"""Scenimefy's generator: CUT's ResNet with nine blocks and anti-aliased resampling.

Jiang et al., "Scenimefy: Learning to Craft Anime Scene via Semi-Supervised Image-to-Image Translation", ICCV 2023;
official code Yuxinn-J/Scenimefy at b9e0b19f, whose layer names (positions in a sequence) are kept.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, reflect, upsample2
from drujax.models.layers.norm import instance_norm
from drujax.models.layers.pool import blur_pool2

FIRST_BLOCK, BLOCKS = 12, 9  # positions in the sequence


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding and instance normalisation."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = nn.relu(instance_norm(Conv(x.shape[-1], 3, name="conv_block.1")(reflect(x, 1))))
        return x + instance_norm(Conv(x.shape[-1], 3, name="conv_block.5")(reflect(y, 1)))


class Scenimefy(nn.Module):
    """photo b h w 3 -> anime picture b h w 3, RGB in [-1, 1], h and w multiples of 4 and at least 8.

    Anti-aliased upsampling, a transposed convolution with [1, 3, 3, 1] / 4 on replicated borders, is bilinear.

    Attributes:
        features: channels of the first layer; the official network has 64 (11,378,179 parameters).
    """

    features: int = 64

    @nn.compact
    def __call__(self, photo: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        n = self.features
        x = self._layer(1, n, reflect(photo, 3), side=7)
        x = blur_pool2(self._layer(4, 2 * n, x, padding=1))
        x = blur_pool2(self._layer(8, 4 * n, x, padding=1))
        for position in range(FIRST_BLOCK, FIRST_BLOCK + BLOCKS):
            x = ResidualBlock(name=f"model.{position}")(x)
        x = self._layer(22, 2 * n, upsample2(x, align_corners=False), padding=1)
        x = self._layer(26, n, upsample2(x, align_corners=False), padding=1)
        return jnp.tanh(Conv(3, 7, name="model.30")(reflect(x, 3)))

    def _layer(self, position: int, features: int, x, *, side: int = 3, padding: int = 0):
        y = Conv(features, side, padding=padding, name=f"model.{position}")(x)
        return nn.relu(instance_norm(y))

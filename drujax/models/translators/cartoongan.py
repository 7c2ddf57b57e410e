"""CartoonGAN's generator: a ResNet with eight blocks and learned resampling.

Chen et al., "CartoonGAN: Generative Adversarial Networks for Photo Cartoonization", CVPR 2018; layer names of
Yijunmaverick/CartoonGAN-Test-Pytorch-Torch at e0414a32, the public conversion of the authors' Torch networks.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, DoublingConv, reflect
from drujax.models.layers.norm import instance_norm

BLOCKS = range(4, 12)  # numbers in the layers' names
EPSILON = 1e-9


class InstanceNorm(nn.Module):
    """Instance normalisation with a learned `scale` and `bias` for each channel."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return instance_norm(x, EPSILON) * scale + bias


class CartoonGAN(nn.Module):
    """photo b h w 3 -> cartoon b h w 3, **BGR** in [-1, 1], h and w multiples of 4 and at least 8.

    There is one normalisation for each pair of convolutions that changes the size. These are padded with zeros, as in
    the PyTorch conversion; a TensorFlow one pads by reflection.

    Attributes:
        features: channels of the first layer; the authors' networks have 64 (11,129,667 parameters).
    """

    features: int = 64

    @nn.compact
    def __call__(self, photo: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        n = self.features
        x = self._normalised("01_1", Conv(n, 7, name="conv01_1")(reflect(photo, 3)))
        for number, features in ((2, 2 * n), (3, 4 * n)):
            x = Conv(features, 3, stride=2, padding=1, name=f"conv{number:02}_1")(x)
            x = self._normalised(f"{number:02}_1", Conv(features, 3, padding=1, name=f"conv{number:02}_2")(x))
        for number in BLOCKS:
            y = self._normalised(f"{number:02}_1", Conv(4 * n, 3, name=f"conv{number:02}_1")(reflect(x, 1)))
            y = Conv(4 * n, 3, name=f"conv{number:02}_2")(reflect(y, 1))
            x = x + InstanceNorm(name=f"in{number:02}_2")(y)
        for number, features in ((1, 2 * n), (2, n)):
            x = DoublingConv(features, name=f"deconv{number:02}_1")(x)
            x = self._normalised(f"{number + 11}_1", Conv(features, 3, padding=1, name=f"deconv{number:02}_2")(x))
        return jnp.tanh(Conv(3, 7, name="deconv03_1")(reflect(x, 3)))

    def _normalised(self, number: str, x):
        return nn.relu(InstanceNorm(name=f"in{number}")(x))

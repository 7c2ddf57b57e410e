"""AnimeGANv2's generator: inverted residual blocks between two bilinear resamplings.

Chen et al., AnimeGANv2, TachibanaYoshino/AnimeGANv2; layer names of its PyTorch port, bryandlee/animegan2-pytorch at
25d7b017.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, reflect, resize_aligned, upsample2
from drujax.models.layers.norm import LayerNorm

EXPANSION = 2


class Layer(nn.Module):
    """Reflection padding, convolution without bias, layer normalisation, LeakyReLU 0.2."""

    features: int
    side: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        before, after = (0, 1) if self.stride == 2 else (self.side // 2, self.side // 2)
        x = reflect(x, before, after)
        x = Conv(self.features, self.side, self.stride, use_bias=False, name="1")(x)
        return _activate(LayerNorm(name="2")(x))


class InvertedResidual(nn.Module):
    """Expands the channels, convolves each one, and projects them; a sum with the input where sizes agree."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w k"]:
        wide = EXPANSION * x.shape[-1]
        y = Conv(wide, 1, use_bias=False, name="layers.0.1")(x)
        y = _activate(LayerNorm(name="layers.0.2")(y))
        y = Conv(wide, 3, groups=wide, name="layers.1.1")(reflect(y, 1))
        y = _activate(LayerNorm(name="layers.1.2")(y))
        y = LayerNorm(name="layers.3")(Conv(self.features, 1, use_bias=False, name="layers.2")(y))
        return x + y if x.shape == y.shape else y


class AnimeGANv2(nn.Module):
    """photo b h w 3 -> anime picture b h w 3, RGB in [-1, 1], h and w multiples of 4 and at least 8.

    Attributes:
        align_corners: of the two upsamplings: False as in the port's `test.py`, True as in its module's default.
            TensorFlow's legacy resize, with which the weights were trained, equals neither.
    """

    align_corners: bool = False

    @nn.compact
    def __call__(self, photo: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        x = self._layers(photo, "a", (32, 7), (64, 3, 2), (64,))
        x = self._layers(x, "b", (128, 3, 2), (128,))
        x = self._layers(x, "c", (128,))
        for number in range(1, 5):
            x = InvertedResidual(256, name=f"block_c.{number}")(x)
        x = Layer(128, name="block_c.5")(x)
        x = self._layers(self._double(x), "d", (128,), (128,))
        x = self._layers(self._double(x), "e", (64,), (64,), (32, 7))
        return jnp.tanh(Conv(3, 1, use_bias=False, name="out_layer.0")(x))

    def _layers(self, x, block: str, *layers: tuple[int, ...]):
        for number, layer in enumerate(layers):
            x = Layer(*layer, name=f"block_{block}.{number}")(x)
        return x

    def _double(self, x):
        if self.align_corners:
            return resize_aligned(x, (2 * x.shape[1], 2 * x.shape[2]))
        return upsample2(x, align_corners=False)


def _activate(x):
    return nn.leaky_relu(x, 0.2)

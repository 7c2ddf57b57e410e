"""CLIP-LIT's enhancement network: estimates an illumination map and divides the image by it.

Liang et al., "Iterative Prompt Learning for Unsupervised Backlit Image Enhancement", ICCV 2023; official code
ZhexinLiang/CLIP-LIT at 25ed5be6, whose layer names are kept.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, resize_aligned
from drujax.models.layers.pool import adaptive_average_pool

Padding = Literal["reflect", "zeros"]
BINS = (1, 2, 3, 6)


class PReLU(nn.Module):
    """x where positive, otherwise x times a learned slope shared by all channels."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        slope = self.param("weight", nn.initializers.constant(0.25), (1,))
        return jnp.where(x > 0, x, slope.astype(x.dtype) * x)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without bias, with reflection padding."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = x
        for name in ("conv1", "conv2"):
            y = Conv(x.shape[-1], 3, use_bias=False, name=name)(_pad(y, "reflect"))
            y = _activate(y if name == "conv1" else y + x)
        return y


class PyramidPooling(nn.Module):
    """Features b h w 32 -> b h w 32, fused with average pools of 1x1, 2x2, 3x3 and 6x6 bins."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        _, h, w, c = x.shape
        parts = [x]
        for i, bins in enumerate(BINS):
            y = Conv(c // len(BINS), 1, use_bias=False, name=f"features.{i}.1")(adaptive_average_pool(x, bins))
            parts.append(resize_aligned(PReLU(name=f"features.{i}.2")(y), (h, w)))
        y = Conv(c, 3, padding=1, use_bias=False, name="fuse.0")(jnp.concatenate(parts, -1))
        return PReLU(name="fuse.1")(y)


class CLIPLIT(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3 in [0, 1], illumination b h w 1 >= 0), h, w >= 2.

    Attributes:
        padding: of the four plain convolutions. The official training pads with zeros and the official test by
            reflection, with the same weights; the residual blocks always reflect.
        epsilon: added to the illumination; 1e-9 in the official training. The official test adds nothing, so that
            black pixels with zero illumination are 0 / 0; here they stay black.
    """

    padding: Padding = "reflect"
    epsilon: float = 0.0

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 1"]]:
        x = _activate(self._conv(image, "cond1", 32))
        x = self._blocks(x, 1, 2)
        x = PyramidPooling(name="PPM1")(x)
        x = self._blocks(self._conv(x, "condx", 64), 3, 4)
        x = self._blocks(self._conv(x, "condy", 32), 5, 6)
        illumination = nn.relu(self._conv(x, "cond_add1", 1))
        divisor = illumination + self.epsilon
        lit = image / jnp.where(divisor > 0, divisor, 1.0)
        enhanced = jnp.where(divisor > 0, lit, jnp.where(image > 0, 1.0, 0.0))
        return jnp.clip(enhanced, 0.0, 1.0), illumination

    def _conv(self, x, name: str, features: int):
        return Conv(features, 3, name=name)(_pad(x, self.padding))

    def _blocks(self, x, *numbers: int):
        for number in numbers:
            x = ResidualBlock(name=f"ResidualBlock{number}")(x)
        return x


def _pad(x: Float[Array, "b h w c"], mode: Padding) -> Float[Array, "b h2 w2 c"]:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect" if mode == "reflect" else "constant")


def _activate(x):
    return nn.leaky_relu(x, 0.2)

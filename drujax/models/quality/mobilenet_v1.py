"""MobileNet (Howard et al. 2017) with width multiplier 1 and Keras's layer names.

As in Keras: stride 2 pads one row and column of zeros at the bottom and right only; batch norm with epsilon 0.001 and
ReLU6 after every convolution.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.layers.norm import BatchNorm

FEATURES = 1024
EPSILON = 1e-3

# Table 1 of the paper: output channels and stride of each depthwise separable convolution.
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


class MobileNetV1(nn.Module):
    """Images b h w 3 in [-1, 1], h and w multiples of 32 -> last feature map, b h/32 w/32 1024.

    Inference only: running statistics, no classifier.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        x = _relu6_norm(_conv(x, 32, 3, 2, "conv1"), "conv1_bn")
        for i, (width, stride) in enumerate(BLOCKS, start=1):
            x = _relu6_norm(_conv(x, x.shape[-1], 3, stride, f"conv_dw_{i}", groups=x.shape[-1]), f"conv_dw_{i}_bn")
            x = _relu6_norm(_conv(x, width, 1, 1, f"conv_pw_{i}"), f"conv_pw_{i}_bn")
        return x


def _conv(x: Float[Array, "b h w c"], width: int, k: int, stride: int, name: str, groups: int = 1):
    """To be called inside `MobileNetV1.__call__`, which owns the submodules."""
    if stride == 2:
        x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    padding = k // 2 if stride == 1 else 0
    return Conv(width, k, stride=stride, padding=padding, groups=groups, use_bias=False, name=name)(x)


def _relu6_norm(x: Float[Array, "b h w c"], name: str) -> Float[Array, "b h w c"]:
    return jnp.clip(BatchNorm(epsilon=EPSILON, name=name)(x, train=False), 0, 6)

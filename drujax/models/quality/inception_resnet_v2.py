"""Inception-ResNet-v2 (Szegedy et al. 2017) with timm's submodule names.

As in timm: no padding in the stem and in the reductions; batch norm with epsilon 0.001 and ReLU after every convolution
except the last of a residual block, which has a bias; residuals scaled by 0.17, 0.10, 0.20 in the three stages, and a
last block without scaling and ReLU; 3x3 average pooling excludes the padding.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.layers.norm import BatchNorm

FEATURES = 1536
EPSILON = 1e-3


class InceptionResNetV2(nn.Module):
    """Images b h w 3 in [-1, 1] -> last feature map, b h/32 w/32 1536 (8 x 8 for 299 x 299).

    Inference only: running statistics, no auxiliary head, no classifier.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        x = ConvNorm(32, 3, stride=2, name="conv2d_1a")(x)
        x = ConvNorm(32, 3, name="conv2d_2a")(x)
        x = ConvNorm(64, 3, same=True, name="conv2d_2b")(x)
        x = _max_pool(x)
        x = ConvNorm(80, 1, name="conv2d_3b")(x)
        x = ConvNorm(192, 3, name="conv2d_4a")(x)
        x = _max_pool(x)
        x = Mixed5b(name="mixed_5b")(x)
        for i in range(10):
            x = Residual(BLOCK35, 0.17, name=f"repeat.{i}")(x)
        x = Reduction(MIXED6A, name="mixed_6a")(x)
        for i in range(20):
            x = Residual(BLOCK17, 0.10, name=f"repeat_1.{i}")(x)
        x = Reduction(MIXED7A, name="mixed_7a")(x)
        for i in range(9):
            x = Residual(BLOCK8, 0.20, name=f"repeat_2.{i}")(x)
        x = Residual(BLOCK8, 1.0, last=True, name="block8")(x)
        return ConvNorm(FEATURES, 1, name="conv2d_7b")(x)


# Branches of convolutions (width, kernel rows, kernel columns); in a residual block all preserve the size.
BLOCK35 = (((32, 1, 1),), ((32, 1, 1), (32, 3, 3)), ((32, 1, 1), (48, 3, 3), (64, 3, 3)))
BLOCK17 = (((192, 1, 1),), ((128, 1, 1), (160, 1, 7), (192, 7, 1)))
BLOCK8 = (((192, 1, 1),), ((192, 1, 1), (224, 1, 3), (256, 3, 1)))

# The last convolution of each of these branches has stride 2; max pooling of the input is one more branch.
MIXED6A = (((384, 3, 3),), ((256, 1, 1), (256, 3, 3), (384, 3, 3)))
MIXED7A = (((256, 1, 1), (384, 3, 3)), ((256, 1, 1), (288, 3, 3)), ((256, 1, 1), (288, 3, 3), (320, 3, 3)))


class ConvNorm(nn.Module):
    """Convolution `conv`, batch norm `bn`, ReLU. The kernel is `rows` x `columns`, or square without `columns`."""

    width: int
    rows: int
    columns: int | None = None
    stride: int = 1
    same: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        rows, columns = self.rows, self.columns or self.rows
        if rows == columns:
            padding = rows // 2 if self.same else 0
            x = Conv(self.width, rows, stride=self.stride, padding=padding, use_bias=False, name="conv")(x)
        else:
            pads: Any = [(rows // 2, rows // 2), (columns // 2, columns // 2)]  # flax's annotation allows only strings
            x = nn.Conv(self.width, (rows, columns), padding=pads, use_bias=False, name="conv")(x)
        return nn.relu(BatchNorm(epsilon=EPSILON, name="bn")(x, train=False))


class Residual(nn.Module):
    """x + scale * conv2d(concatenated branches), then ReLU except in the `last` block."""

    branches: tuple
    scale: float
    last: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        parts = []
        for number, branch in enumerate(self.branches):
            y = x
            for i, (width, rows, columns) in enumerate(branch):
                y = ConvNorm(width, rows, columns, same=True, name=_branch_name(number, i, len(branch)))(y)
            parts.append(y)
        y = Conv(x.shape[-1], 1, name="conv2d")(jnp.concatenate(parts, axis=-1))
        y = x + self.scale * y
        return y if self.last else nn.relu(y)


class Reduction(nn.Module):
    """Halves the size: concatenates branches whose last convolution has stride 2, and 3x3 max pooling."""

    branches: tuple

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        parts = []
        for number, branch in enumerate(self.branches):
            y = x
            for i, (width, rows, columns) in enumerate(branch):
                last = i == len(branch) - 1
                name = _branch_name(number, i, len(branch))
                y = ConvNorm(width, rows, columns, stride=2 if last else 1, same=not last, name=name)(y)
            parts.append(y)
        return jnp.concatenate([*parts, _max_pool(x)], axis=-1)


class Mixed5b(nn.Module):
    """The first Inception block; branches: 1x1; 1x1, 5x5; 1x1, 3x3, 3x3; average pooling, 1x1."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w k"]:
        one = ConvNorm(96, 1, name="branch0")(x)
        five = ConvNorm(48, 1, name="branch1.0")(x)
        five = ConvNorm(64, 5, same=True, name="branch1.1")(five)
        three = ConvNorm(64, 1, name="branch2.0")(x)
        three = ConvNorm(96, 3, same=True, name="branch2.1")(three)
        three = ConvNorm(96, 3, same=True, name="branch2.2")(three)
        mean = nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)
        return jnp.concatenate([one, five, three, ConvNorm(64, 1, name="branch3.1")(mean)], axis=-1)


def _branch_name(number: int, i: int, count: int) -> str:
    """Returns timm's name of a convolution; it numbers the convolutions of a branch only if there are several."""
    return f"branch{number}" if count == 1 else f"branch{number}.{i}"


def _max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    return nn.max_pool(x, (3, 3), strides=(2, 2))

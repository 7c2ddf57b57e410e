"""ResNet-18 and ResNet-50 (He et al. 2016) with torchvision's submodule names.

As in torchvision: the stride of a bottleneck is in its 3x3 convolution ("v1.5"); convolutions have no bias; blocks that
change size or width have a 1x1 convolution and batch norm on the shortcut. timm's checkpoints have the same names and
shapes.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.backbones.backbone import Backbone, timm_weights
from drujax.models.layers.conv import Conv
from drujax.models.layers.initialise import kaiming_fan_out
from drujax.models.layers.norm import BatchNorm


class ResNet(nn.Module):
    """`(x, train)` -> logits `b num_classes`, or with `features` the pooled input of the last layer.

    `x` is `b h w 3` in ImageNet normalisation.

    Attributes:
        num_classes: number of logits.
        blocks: number of blocks per stage.
        bottleneck: blocks have three convolutions (1x1, 3x3, 1x1 to four times the width) instead of two (3x3).
        dtype: of the convolutions; None uses the dtype of the input and the parameters.
    """

    num_classes: int
    blocks: Sequence[int]
    bottleneck: bool
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool, features: bool = False) -> Float[Array, "b k"]:
        x = _conv(64, 7, 2, self.dtype, "conv1")(x)
        x = nn.relu(BatchNorm(name="bn1")(x, train=train))
        padding: Any = [(1, 1), (1, 1)]  # flax's annotation allows only strings
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=padding)
        block = Bottleneck if self.bottleneck else Basic
        for stage, repetitions in enumerate(self.blocks):
            for i in range(repetitions):
                stride = 2 if stage > 0 and i == 0 else 1
                x = block(64 * 2**stage, stride, self.dtype, name=f"layer{stage + 1}.{i}")(x, train=train)
        pooled = x.astype(jnp.promote_types(x.dtype, jnp.float32)).mean((1, 2))
        if features:
            return pooled
        return nn.Dense(self.num_classes, name="fc")(pooled)


class Basic(nn.Module):
    """Two 3x3 convolutions."""

    width: int
    stride: int
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 k"]:
        inner = _conv(self.width, 3, self.stride, self.dtype, "conv1")(x)
        inner = nn.relu(BatchNorm(name="bn1")(inner, train=train))
        inner = _conv(self.width, 3, 1, self.dtype, "conv2")(inner)
        inner = BatchNorm(name="bn2")(inner, train=train)
        return nn.relu(inner + _shortcut(x, self.width, self.stride, self.dtype, train=train))


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3 with the stride, 1x1 to four times the width."""

    width: int
    stride: int
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 k"]:
        inner = _conv(self.width, 1, 1, self.dtype, "conv1")(x)
        inner = nn.relu(BatchNorm(name="bn1")(inner, train=train))
        inner = _conv(self.width, 3, self.stride, self.dtype, "conv2")(inner)
        inner = nn.relu(BatchNorm(name="bn2")(inner, train=train))
        inner = _conv(4 * self.width, 1, 1, self.dtype, "conv3")(inner)
        inner = BatchNorm(name="bn3")(inner, train=train)
        return nn.relu(inner + _shortcut(x, 4 * self.width, self.stride, self.dtype, train=train))


def _conv(width: int, kernel_size: int, stride: int, dtype: jnp.dtype | None, name: str) -> Conv:
    return Conv(
        width,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        use_bias=False,
        kernel_init=kaiming_fan_out,
        dtype=dtype,
        name=name,
    )


def _shortcut(
    x: Float[Array, "b h w c"], width: int, stride: int, dtype: jnp.dtype | None, *, train: bool
) -> Float[Array, "b h2 w2 k"]:
    """To be called inside a block's `__call__`, which owns the submodules."""
    if stride == 1 and x.shape[-1] == width:
        return x
    return BatchNorm(name="downsample.1")(_conv(width, 1, stride, dtype, "downsample.0")(x), train=train)


BACKBONES = (
    Backbone(
        "resnet18",
        partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False),
        512,
        "fc",
        timm_weights(
            "resnet18",
            "resnet18.tv_in1k",
            "a987fd6b60f845221bfff84b6f0191273ba56ead",
            licence="BSD-3-Clause",
            size=46_800_000,
            sha256="694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
        ),
    ),
    Backbone(
        "resnet50",
        partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True),
        2048,
        "fc",
        timm_weights(
            "resnet50",
            "resnet50.tv_in1k",
            "aa6c2d36d56bc0209040c02b5a7b7d7bf11d57b8",
            licence="BSD-3-Clause",
            size=102_000_000,
            sha256="5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
        ),
    ),
)

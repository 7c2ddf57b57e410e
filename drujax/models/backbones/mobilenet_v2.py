"""MobileNetV2 (Sandler et al. 2018) with width multiplier 1 and torchvision's submodule names.

As in torchvision: explicit symmetric padding, ReLU6, batch norm after every convolution, no activation after the
projection or the addition; residual connections for stride 1 and equal width; dropout 0.2 before the classifier.
"""

import re

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.backbones.backbone import Backbone, timm_weights
from drujax.models.layers.conv import Conv
from drujax.models.layers.initialise import kaiming_fan_out
from drujax.models.layers.norm import BatchNorm

# Table 2 of the paper: expansion, output channels, repetitions, stride of the first block.
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
STEM, FEATURES = 32, 1280


class MobileNetV2(nn.Module):
    """`(x, train)` -> logits `b num_classes`, or with `features` the pooled `b 1280` before dropout and classifier.

    `x` is `b h w 3` in ImageNet normalisation. Training with dropout > 0 requires a `dropout` random key.
    """

    num_classes: int = 1000
    dropout: float = 0.2
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool, features: bool = False) -> Float[Array, "b k"]:
        x = ConvNormReLU6(STEM, 3, stride=2, dtype=self.dtype, name="features.0")(x, train=train)
        index = 1
        for expansion, width, repetitions, stride in STAGES:
            for i in range(repetitions):
                first = stride if i == 0 else 1
                block = InvertedResidual(width, expansion, first, self.dtype, name=f"features.{index}")
                x = block(x, train=train)
                index += 1
        x = ConvNormReLU6(FEATURES, 1, dtype=self.dtype, name=f"features.{index}")(x, train=train)
        pooled = x.astype(jnp.promote_types(x.dtype, jnp.float32)).mean((1, 2))
        if features:
            return pooled
        dropped = nn.Dropout(self.dropout, deterministic=not train, name="classifier.0")(pooled)
        return nn.Dense(self.num_classes, kernel_init=nn.initializers.normal(0.01), name="classifier.1")(dropped)


class InvertedResidual(nn.Module):
    """1x1 expansion (none for a factor of 1), 3x3 depthwise, linear 1x1 projection; submodules `conv.0`...`conv.3`."""

    width: int
    expansion: int
    stride: int
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 k"]:
        hidden, inner = x.shape[-1] * self.expansion, x
        index = 0
        if self.expansion != 1:
            inner = ConvNormReLU6(hidden, 1, dtype=self.dtype, name="conv.0")(inner, train=train)
            index = 1
        depthwise = ConvNormReLU6(hidden, 3, self.stride, groups=hidden, dtype=self.dtype, name=f"conv.{index}")
        inner = depthwise(inner, train=train)
        inner = Conv(
            self.width, 1, use_bias=False, kernel_init=kaiming_fan_out, dtype=self.dtype, name=f"conv.{index + 1}"
        )(inner)
        inner = BatchNorm(name=f"conv.{index + 2}")(inner, train=train)
        return x + inner if self.stride == 1 and x.shape[-1] == self.width else inner


class ConvNormReLU6(nn.Module):
    """Convolution `0`, batch norm `1`, ReLU6; `stride` 2 halves the size."""

    width: int
    kernel_size: int
    stride: int = 1
    groups: int = 1
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h2 w2 k"]:
        x = Conv(
            self.width,
            self.kernel_size,
            stride=self.stride,
            padding=self.kernel_size // 2,
            groups=self.groups,
            use_bias=False,
            kernel_init=kaiming_fan_out,
            dtype=self.dtype,
            name="0",
        )(x)
        return jnp.clip(BatchNorm(name="1")(x, train=train), 0, 6)


def torchvision_names(flat: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Renames the tensors of a checkpoint in timm's (`mobilenetv2_100`) or tonylins' layout to torchvision's."""
    if "conv_stem.weight" in flat:
        rename = _from_timm
    elif "features.1.conv.0.weight" in flat:
        rename = _from_tonylins
    else:
        return flat
    return {rename(key): value for key, value in flat.items()}


# timm's stages: torchvision's index of the first block in each, and the names outside and inside a block.
TIMM_STAGE_START = [1, 2, 4, 7, 11, 14, 17]
TIMM_OUTER = {
    "conv_stem": "features.0.0",
    "bn1": "features.0.1",
    "conv_head": "features.18.0",
    "bn2": "features.18.1",
    "classifier": "classifier.1",
}
TIMM_FIRST = {"conv_dw": "conv.0.0", "bn1": "conv.0.1", "conv_pw": "conv.1", "bn2": "conv.2"}
TIMM_INNER = {
    "conv_pw": "conv.0.0",
    "bn1": "conv.0.1",
    "conv_dw": "conv.1.0",
    "bn2": "conv.1.1",
    "conv_pwl": "conv.2",
    "bn3": "conv.3",
}


def _from_timm(key: str) -> str:
    module, _, leaf = key.rpartition(".")
    if block := re.fullmatch(r"blocks\.([0-6])\.(\d+)\.(\w+)", module):
        stage, i, inner = int(block[1]), int(block[2]), block[3]
        names = TIMM_FIRST if stage == 0 else TIMM_INNER
        return f"features.{TIMM_STAGE_START[stage] + i}.{names.get(inner, inner)}.{leaf}"
    return f"{TIMM_OUTER.get(module, module)}.{leaf}"


# tonylins' layout numbers the activations too and is flat: the same order, without torchvision's inner indices.
TONYLINS_FIRST = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
TONYLINS_INNER = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


def _from_tonylins(key: str) -> str:
    if block := re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(\w+)", key):
        names = TONYLINS_FIRST if block[1] == "1" else TONYLINS_INNER
        return f"features.{block[1]}.conv.{names.get(block[2], block[2])}.{block[3]}"
    return re.sub(r"^classifier\.(weight|bias)$", r"classifier.1.\1", key)


BACKBONES = (
    Backbone(
        "mobilenet_v2",
        MobileNetV2,
        FEATURES,
        "classifier.1",
        timm_weights(
            "mobilenet_v2",
            "mobilenetv2_100.ra_in1k",
            "f3ff81ba89de0bc46b546568ebeab2edef6b9d49",
            licence="Apache-2.0",
            size=14_200_000,
            sha256="55ea4fb3a96010b933710ebf44fc965b070d5cd054d3f35e44f2d1320b4a714e",
        ),
        torchvision_names=torchvision_names,
    ),
)

"""VGG-13 with batch norm and VGG-19 (Simonyan & Zisserman 2015) with torchvision's submodule names.

As in torchvision: convolutions have biases even before a batch norm; `features.N` numbers activations and poolings too;
the last map is pooled adaptively to 7x7 and flattened channels first; dropout 0.5 after both hidden linear layers.

Checkpoints of the convolutions alone are supported, too: the last layer then takes the average of the last map.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.backbones.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone, timm_weights
from drujax.models.layers.conv import Conv, max_pool2
from drujax.models.layers.initialise import kaiming_fan_out
from drujax.models.layers.norm import BatchNorm
from drujax.models.layers.pool import adaptive_average_pool

# 3x3 convolutions of each of the five blocks (configurations B and E of the paper's table 1), and their widths.
VGG13, VGG19 = (2, 2, 2, 2, 2), (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
GRID, HIDDEN = 7, 4096  # side of the pooled map, width of the hidden linear layers
HEAD = "classifier.6"
LEAST_RESOLUTION = 2 ** len(WIDTHS)  # each block halves the map

# Mean of the inputs of the authors' Caffe models and of Keras's conversions, which are BGR in 0..255; here as RGB.
CAFFE_MEAN = (123.68, 116.779, 103.939)

linear_init = nn.initializers.normal(0.01)


class VGG(nn.Module):
    """`(x, train)` -> logits `b num_classes`, or with `features` the second hidden layer `b 4096` after its ReLU.

    `x` is `b h w 3` in ImageNet normalisation, h and w at least 32. Training with dropout > 0 requires a `dropout`
    random key.

    Attributes:
        num_classes: number of logits.
        blocks: convolutions in each of the five blocks.
        batch_norm: after every convolution.
        dropout: of the hidden linear layers.
        pooled: no hidden linear layers: the last layer's input is the average `b 512` of the last map, after its
            pooling. For checkpoints of the convolutions alone.
        input_offset: added to `x`, per channel. For checkpoints with another mean: it cannot be part of the first
            convolution's bias, because the zeros that pad the image are not shifted.
        dtype: of the convolutions and hidden layers; None uses the dtype of the input and the parameters.
    """

    num_classes: int
    blocks: Sequence[int]
    batch_norm: bool
    dropout: float = 0.5
    pooled: bool = False
    input_offset: Sequence[float] = (0.0, 0.0, 0.0)
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool, features: bool = False) -> Float[Array, "b k"]:
        x = x + jnp.array(self.input_offset, x.dtype)
        index = 0
        for layers, width in zip(self.blocks, WIDTHS, strict=True):
            for _ in range(layers):
                conv = Conv(
                    width, 3, padding=1, kernel_init=kaiming_fan_out, dtype=self.dtype, name=f"features.{index}"
                )
                x = conv(x)
                if self.batch_norm:
                    x = BatchNorm(name=f"features.{index + 1}")(x, train=train)
                x = nn.relu(x)
                index += 3 if self.batch_norm else 2
            x = max_pool2(x)
            index += 1
        if self.pooled:
            x = x.astype(jnp.promote_types(x.dtype, jnp.float32)).mean((1, 2))
            return x if features else nn.Dense(self.num_classes, kernel_init=linear_init, name=HEAD)(x)
        x = adaptive_average_pool(x, GRID)
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for name in ("classifier.0", "classifier.3"):
            x = nn.relu(nn.Dense(HIDDEN, kernel_init=linear_init, dtype=self.dtype, name=name)(x))
            if features and name == "classifier.3":
                return x
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, kernel_init=linear_init, name=HEAD)(x)


def torchvision_names(flat: dict[str, np.ndarray], caffe_blocks: Sequence[int] = ()) -> dict[str, np.ndarray]:
    """Renames the tensors of a checkpoint in timm's or, given the convolutions of each block, Caffe's layout.

    timm stores the linear layers as convolutions over the 7x7 map, under other names. Caffe's convolutions are called
    `convBLOCK_NUMBER`, and the first one expects another input (`_is_caffe`, `options`).
    """
    if _is_caffe(flat):
        flat = _from_caffe(flat, caffe_blocks)
    timm = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    renamed = {}
    for key, value in flat.items():
        module, _, leaf = key.rpartition(".")
        is_kernel = module in timm and leaf == "weight"
        renamed[f"{timm.get(module, module)}.{leaf}"] = value.reshape(len(value), -1) if is_kernel else value
    return renamed


def options(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the options of `VGG` for a checkpoint in any of the layouts of `torchvision_names`."""
    needed: dict[str, Any] = {}
    if not any(name.startswith(("classifier.", "pre_logits.")) for name in flat):
        needed["pooled"] = True
    if _is_caffe(flat):
        means = zip(IMAGENET_MEAN, IMAGENET_STD, CAFFE_MEAN, strict=True)
        needed["input_offset"] = [(mean - caffe / 255) / std for mean, std, caffe in means]
    return needed


def _is_caffe(flat: dict[str, np.ndarray]) -> bool:
    return "conv1_1.weight" in flat


def _from_caffe(flat: dict[str, np.ndarray], blocks: Sequence[int]) -> dict[str, np.ndarray]:
    """Renames Caffe's convolutions, and adapts the first to RGB in ImageNet normalisation, shifted by `options`."""
    names, index = {}, 0
    for block, layers in enumerate(blocks, start=1):
        for layer in range(1, layers + 1):
            names[f"conv{block}_{layer}"] = f"features.{index}"
            index += 2  # convolution and activation
        index += 1  # pooling
    renamed = {}
    for key, value in flat.items():
        module, _, leaf = key.rpartition(".")
        renamed[f"{names.get(module, module)}.{leaf}"] = value
    if "features.0.weight" in renamed:
        rgb = renamed["features.0.weight"][:, ::-1]
        renamed["features.0.weight"] = rgb * (255 * np.array(IMAGENET_STD))[:, None, None]
    return renamed


BACKBONES = (
    Backbone(
        "vgg13_bn",
        partial(VGG, blocks=VGG13, batch_norm=True),
        HIDDEN,
        HEAD,
        timm_weights(
            "vgg13_bn",
            "vgg13_bn.tv_in1k",
            "ed6e64d6167edbe08697cb4d7ceaef5077972131",
            licence="BSD-3-Clause",
            size=532_000_000,
            sha256="7dae235e35772693cd527e7ac9ef8f6594707a14a8d26aabdb83c0baa6847861",
        ),
        torchvision_names=torchvision_names,
        options=options,
        least_resolution=LEAST_RESOLUTION,
    ),
    Backbone(
        "vgg19",
        partial(VGG, blocks=VGG19, batch_norm=False),
        HIDDEN,
        HEAD,
        timm_weights(
            "vgg19",
            "vgg19.tv_in1k",
            "128d4708565b3a414bcbb9bbad440b2fe37b9f18",
            licence="BSD-3-Clause",
            size=575_000_000,
            sha256="11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
        ),
        torchvision_names=partial(torchvision_names, caffe_blocks=VGG19),
        options=options,
        least_resolution=LEAST_RESOLUTION,
    ),
)

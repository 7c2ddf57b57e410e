"""VGG-13 with batch norm and VGG-19 (Simonyan & Zisserman 2015) with torchvision's submodule names.

As in torchvision: convolutions have biases even before a batch norm; `features.N` numbers activations and poolings too;
the last map is pooled adaptively to 7x7 and flattened channels first; dropout 0.5 after both hidden linear layers.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.backbones.backbone import Backbone, timm_weights
from drujax.models.layers.conv import Conv, max_pool2
from drujax.models.layers.initialise import kaiming_fan_out
from drujax.models.layers.norm import BatchNorm
from drujax.models.layers.pool import adaptive_average_pool

# 3x3 convolutions of each of the five blocks (configurations B and E of the paper's table 1), and their widths.
VGG13, VGG19 = (2, 2, 2, 2, 2), (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
GRID, HIDDEN = 7, 4096  # side of the pooled map, width of the hidden linear layers
LEAST_RESOLUTION = 2 ** len(WIDTHS)  # each block halves the map

linear_init = nn.initializers.normal(0.01)


class VGG(nn.Module):
    """`(x, train)` -> logits `b num_classes`, or with `features` the second hidden layer `b 4096` after its ReLU.

    `x` is `b h w 3` in ImageNet normalisation, h and w at least 32. Training with dropout > 0 requires a `dropout`
    random key.
    """

    num_classes: int
    blocks: Sequence[int]
    batch_norm: bool
    dropout: float = 0.5
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool, features: bool = False) -> Float[Array, "b k"]:
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
        x = adaptive_average_pool(x, GRID)
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for name in ("classifier.0", "classifier.3"):
            x = nn.relu(nn.Dense(HIDDEN, kernel_init=linear_init, dtype=self.dtype, name=name)(x))
            if features and name == "classifier.3":
                return x
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, kernel_init=linear_init, name="classifier.6")(x)


def torchvision_names(flat: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Renames the tensors of a checkpoint in timm's layout to torchvision's.

    timm stores the linear layers as convolutions over the 7x7 map, under other names.
    """
    timm = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    renamed = {}
    for key, value in flat.items():
        module, _, leaf = key.rpartition(".")
        is_kernel = module in timm and leaf == "weight"
        renamed[f"{timm.get(module, module)}.{leaf}"] = value.reshape(len(value), -1) if is_kernel else value
    return renamed


BACKBONES = (
    Backbone(
        "vgg13_bn",
        partial(VGG, blocks=VGG13, batch_norm=True),
        HIDDEN,
        "classifier.6",
        timm_weights(
            "vgg13_bn",
            "vgg13_bn.tv_in1k",
            "ed6e64d6167edbe08697cb4d7ceaef5077972131",
            licence="BSD-3-Clause",
            size=532_000_000,
            sha256="7dae235e35772693cd527e7ac9ef8f6594707a14a8d26aabdb83c0baa6847861",
        ),
        torchvision_names=torchvision_names,
        least_resolution=LEAST_RESOLUTION,
    ),
    Backbone(
        "vgg19",
        partial(VGG, blocks=VGG19, batch_norm=False),
        HIDDEN,
        "classifier.6",
        timm_weights(
            "vgg19",
            "vgg19.tv_in1k",
            "128d4708565b3a414bcbb9bbad440b2fe37b9f18",
            licence="BSD-3-Clause",
            size=575_000_000,
            sha256="11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
        ),
        torchvision_names=torchvision_names,
        least_resolution=LEAST_RESOLUTION,
    ),
)

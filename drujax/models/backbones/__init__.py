"""The backbone networks of the probability network F_q (paper, sec. 4.1), by name.

Modules are called as `module.apply(variables, x, train=False)` with `x` float `b h w 3` in ImageNet normalisation, and
return logits `b num_classes`, or the input of the last linear layer `b features` with `features=True`. Submodules have
torchvision's names, so that its checkpoints map by a table of suffixes (`pretrained.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.models.backbones import mobilenet_v2, vgg, vit
from drujax.models.backbones.resnet import ResNet

# Of red, green, blue in 0..1, over ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """One architecture: how to build it and how its published weights are named."""

    name: str  # also of its weights in drujax.weights.table
    build: Callable[..., nn.Module]  # (num_classes) -> module
    features: int  # width of the input of the last linear layer
    head: str  # name of the last linear layer
    # The tensors of a published checkpoint in any supported layout, in torchvision's.
    torchvision_names: Callable[[dict[str, Any]], dict[str, Any]] = lambda flat: flat
    # Adapts published parameters to another resolution; a network that only convolves and pools needs nothing.
    fit_resolution: Callable[[dict[str, Any], int], dict[str, Any]] = lambda params, resolution: params
    # Adapts variables for pictures in [-1, 1] to ImageNet normalisation.
    from_half_range: Callable[[dict[str, Any]], dict[str, Any]] = lambda variables: variables
    resolution: int = 224  # of the published weights
    least_resolution: int = 1
    resolution_step: int = 1


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("resnet18", partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False), 512, "fc"),
        Backbone("resnet50", partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=True), 2048, "fc"),
        Backbone(
            "mobilenet_v2",
            mobilenet_v2.MobileNetV2,
            mobilenet_v2.FEATURES,
            "classifier.1",
            torchvision_names=mobilenet_v2.torchvision_names,
        ),
        Backbone(
            "vgg13_bn",
            partial(vgg.VGG, blocks=vgg.VGG13, batch_norm=True),
            vgg.HIDDEN,
            "classifier.6",
            torchvision_names=vgg.torchvision_names,
            least_resolution=vgg.LEAST_RESOLUTION,
        ),
        Backbone(
            "vgg19",
            partial(vgg.VGG, blocks=vgg.VGG19, batch_norm=False),
            vgg.HIDDEN,
            "classifier.6",
            torchvision_names=vgg.torchvision_names,
            least_resolution=vgg.LEAST_RESOLUTION,
        ),
        Backbone(
            "vit_b16",
            vit.VisionTransformer,
            vit.WIDTH,
            "heads.head",
            torchvision_names=vit.torchvision_names,
            fit_resolution=vit.fit_resolution,
            from_half_range=partial(vit.from_half_range, mean=IMAGENET_MEAN, std=IMAGENET_STD),
            least_resolution=vit.PATCH,
            resolution_step=vit.PATCH,
        ),
    )
}


def normalise(images: UInt8[Array | np.ndarray, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Pictures 0..255 in ImageNet normalisation."""
    return (jnp.asarray(images, jnp.float32) / 255 - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)

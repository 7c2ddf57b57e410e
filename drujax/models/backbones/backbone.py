"""The description of a backbone: constructor, pretrained weights and their conversion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.runtime.remote_file import File, hub_file

# Statistics of ImageNet's RGB values in 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """An architecture, its pretrained weights, and how published checkpoints convert."""

    name: str
    build: Callable[..., nn.Module]  # (num_classes, **options) -> module
    features: int  # width of the input of the last linear layer, without options
    head: str  # name of the last linear layer
    weights: File | None = None  # pretrained on ImageNet
    # Renames the tensors of a published checkpoint from any supported layout to torchvision's.
    torchvision_names: Callable[[dict[str, Any]], dict[str, Any]] = lambda flat: flat
    # Options of `build` that the tensors of a published checkpoint need, as JSON values.
    options: Callable[[dict[str, Any]], dict[str, Any]] = lambda flat: {}
    # Adapts pretrained parameters to another resolution; convolutional networks need no change.
    fit_resolution: Callable[[dict[str, Any], int], dict[str, Any]] = lambda params, resolution: params
    # Adapts pretrained variables for inputs in [-1, 1] to ImageNet normalisation; None if they use the latter.
    from_half_range: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    resolution: int = 224  # of the pretrained weights
    least_resolution: int = 1
    resolution_step: int = 1


def timm_weights(name: str, model: str, revision: str, *, licence: str, size: int, sha256: str | None = None) -> File:
    """Describes the ImageNet weights of timm's `model`, at `revision` of its hub page."""
    return hub_file(
        name,
        f"ImageNet weights of timm's {model}",
        f"timm/{model}",
        revision,
        "model.safetensors",
        f"timm-{model}.safetensors",
        licence=licence,
        size=size,
        sha256=sha256,
    )


def normalise(images: UInt8[Array | np.ndarray, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Converts images in 0..255 to ImageNet normalisation."""
    return (jnp.asarray(images, jnp.float32) / 255 - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)

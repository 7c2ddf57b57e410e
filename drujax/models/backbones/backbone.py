"""What a backbone's file says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from drujax.runtime.remote_file import File, hub_file

# Of red, green, blue in 0..1, over ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """One architecture: how to build it and how its published weights are named."""

    name: str
    build: Callable[..., nn.Module]  # (num_classes) -> module
    features: int  # width of the input of the last linear layer
    head: str  # name of the last linear layer
    weights: File | None = None  # published ImageNet weights
    # The tensors of a published checkpoint in any supported layout, in torchvision's.
    torchvision_names: Callable[[dict[str, Any]], dict[str, Any]] = lambda flat: flat
    # Adapts published parameters to another resolution; a network that only convolves and pools needs nothing.
    fit_resolution: Callable[[dict[str, Any], int], dict[str, Any]] = lambda params, resolution: params
    # Adapts the published variables to ImageNet normalisation, where they expect images in [-1, 1].
    from_half_range: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    resolution: int = 224  # of the published weights
    least_resolution: int = 1
    resolution_step: int = 1


def timm_weights(name: str, model: str, revision: str, *, licence: str, size: int, sha256: str | None = None) -> File:
    """The ImageNet weights of timm's `model`, at `revision` of its hub page."""
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
    """Pictures 0..255 in ImageNet normalisation."""
    return (jnp.asarray(images, jnp.float32) / 255 - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_STD)

"""Variables of a backbone: from a published checkpoint in torchvision's or timm's layout, or fresh."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from drujax.errors import UsageError, unknown
from drujax.models.backbones import BACKBONES, Backbone
from drujax.weights.download import fetch
from drujax.weights.formats import readers
from drujax.weights.torch_names import Variables, from_torch, unwrapped


def initialise(name: str, pretrained: str, *, num_classes: int, resolution: int, key: PRNGKeyArray) -> Variables:
    """Variables of the backbone `name` for square pictures of `resolution`, with a new last layer of `num_classes`.

    `pretrained` is as in `load_pretrained`, or "none": all weights fresh from `key`.
    """
    backbone = find(name)
    if resolution < backbone.least_resolution or resolution % backbone.resolution_step:
        steps = f" and a multiple of {backbone.resolution_step}" if backbone.resolution_step > 1 else ""
        raise UsageError(f"resolution: {name} needs at least {backbone.least_resolution}{steps}, not {resolution}")
    module = backbone.build(num_classes)
    picture = jnp.zeros((1, resolution, resolution, 3))
    if pretrained == "none":
        return jax.jit(lambda key: module.init(key, picture, train=False))(key)
    loaded = load_pretrained(name, pretrained)
    params = backbone.fit_resolution(loaded["params"], resolution)
    # Compiled, it draws no other weights than these.
    head = jax.jit(lambda key: module.init(key, picture, train=False)["params"][backbone.head])(key)
    return {**loaded, "params": {**params, backbone.head: head}}


def load_pretrained(name: str, pretrained: str) -> Variables:
    """Published variables of the backbone `name`, without the last layer when the checkpoint has none.

    `pretrained`: "imagenet" is the published file (`Backbone.weights`), downloaded once; anything else is a path to a
    checkpoint (.pth, .pt, .npz, .safetensors) for pictures in ImageNet normalisation. Raises UsageError for a file that
    does not hold this network.
    """
    backbone = find(name)
    if pretrained == "imagenet":
        if backbone.weights is None:
            raise UsageError(f"pretrained: {name} has no published ImageNet weights; give a file or none")
        path = fetch(backbone.weights, otherwise="--pretrained=none starts from random weights")
    else:
        path = Path(pretrained)
    flat = readers.read_checkpoint(path)
    try:
        variables = import_weights(name, flat)
    except UsageError as error:
        raise UsageError(f"{path} is no checkpoint of {name}: {error}") from error
    if pretrained == "imagenet" and backbone.from_half_range is not None:
        return backbone.from_half_range(variables)
    return variables


def import_weights(name: str, flat: Mapping[str, np.ndarray]) -> Variables:
    """Converts a checkpoint's tensors `flat`, in any layout that the backbone `name` knows, to its variables.

    A missing last layer is left out; other missing, unknown or misshapen tensors raise UsageError.
    """
    backbone = find(name)
    state = backbone.torchvision_names(dict(unwrapped(flat)))
    classes = state.get(f"{backbone.head}.weight")
    module = backbone.build(2 if classes is None else len(classes))
    picture = jax.ShapeDtypeStruct((1, backbone.resolution, backbone.resolution, 3), jnp.float32)
    shapes = jax.eval_shape(partial(module.init, train=False), jax.random.key(0), picture)
    if classes is None:
        params = {layer: leaves for layer, leaves in shapes["params"].items() if layer != backbone.head}
        shapes = {**shapes, "params": params}
    return jax.tree.map(jnp.asarray, from_torch(state, shapes))


def find(name: str) -> Backbone:
    """The backbone called `name`; UsageError when there is none."""
    if name not in BACKBONES:
        raise unknown("backbone", name, BACKBONES)
    return BACKBONES[name]

"""Variables of a backbone, pretrained (a checkpoint in torchvision's or timm's layout) or randomly initialised."""

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


def initialise(
    name: str, pretrained: str, *, num_classes: int, resolution: int, key: PRNGKeyArray, option: str = "--pretrained"
) -> Variables:
    """Returns variables of the backbone `name` for square images of `resolution` pixels.

    `pretrained` is as in `load_pretrained`, or "none" for random weights; `option` is as there, too. The last layer, of
    `num_classes`, is always newly initialised from `key`.
    """
    backbone = find(name)
    if resolution < backbone.least_resolution or resolution % backbone.resolution_step:
        steps = f" and a multiple of {backbone.resolution_step}" if backbone.resolution_step > 1 else ""
        least = backbone.least_resolution
        raise UsageError(f"resolution: must be at least {least}{steps} for {name}, got {resolution}")
    module = backbone.build(num_classes)
    image = jnp.zeros((1, resolution, resolution, 3))
    if pretrained == "none":
        return jax.jit(lambda key: module.init(key, image, train=False))(key)
    loaded = load_pretrained(name, pretrained, option)
    params = backbone.fit_resolution(loaded["params"], resolution)
    # Under jit, XLA drops the initialisation of all other layers.
    head = jax.jit(lambda key: module.init(key, image, train=False)["params"][backbone.head])(key)
    return {**loaded, "params": {**params, backbone.head: head}}


def load_pretrained(name: str, pretrained: str, option: str = "--pretrained") -> Variables:
    """Loads pretrained variables of the backbone `name`, without the last layer if the checkpoint has none.

    `pretrained` is "imagenet" (the file `Backbone.weights`, downloaded once) or the path of a checkpoint (.pth, .pt,
    .npz, .safetensors) for images in ImageNet normalisation. `option` is the argument that messages name. Raises
    UsageError if the file does not match the network.
    """
    backbone = find(name)
    if pretrained == "imagenet":
        if backbone.weights is None:
            raise UsageError(f"pretrained: {name} has no published ImageNet weights; give a file or none")
        path = fetch(backbone.weights, otherwise=f"{option}=none starts from random weights")
    else:
        path = Path(pretrained)
    flat = readers.read_checkpoint(path)
    try:
        variables = import_weights(name, flat)
    except UsageError as error:
        raise UsageError(f"{path}: not a checkpoint of {name}: {error}") from error
    if pretrained == "imagenet" and backbone.from_half_range is not None:
        return backbone.from_half_range(variables)
    return variables


def import_weights(name: str, flat: Mapping[str, np.ndarray]) -> Variables:
    """Converts the tensors `flat` of a checkpoint, in any layout supported by the backbone `name`, to its variables.

    The last layer may be missing; other missing, unexpected or misshapen tensors raise UsageError.
    """
    backbone = find(name)
    state = backbone.torchvision_names(dict(unwrapped(flat)))
    classes = state.get(f"{backbone.head}.weight")
    module = backbone.build(2 if classes is None else len(classes))
    image = jax.ShapeDtypeStruct((1, backbone.resolution, backbone.resolution, 3), jnp.float32)
    shapes = jax.eval_shape(partial(module.init, train=False), jax.random.key(0), image)
    if classes is None:
        params = {layer: leaves for layer, leaves in shapes["params"].items() if layer != backbone.head}
        shapes = {**shapes, "params": params}
    return jax.tree.map(jnp.asarray, from_torch(state, shapes))


def find(name: str) -> Backbone:
    """Returns the backbone called `name`. Raises UsageError if it is unknown."""
    if name not in BACKBONES:
        raise unknown("backbone", name, BACKBONES)
    return BACKBONES[name]

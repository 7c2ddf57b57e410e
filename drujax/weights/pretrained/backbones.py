"""Variables of a backbone, pretrained (a checkpoint in torchvision's or timm's layout) or randomly initialised."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from drujax.errors import UsageError, unknown
from drujax.models.backbones import BACKBONES, Backbone
from drujax.weights.download import fetch
from drujax.weights.formats import codebooks, readers
from drujax.weights.torch_names import Variables, from_torch, unwrapped

# Of the only published checkpoints with codebooks, those of uber-research/permute-quantize-finetune. Its third
# paragraph forbids any commercial use of "derivative works, outputs, or results".
CODEBOOK_LICENCE = "Uber Non-Commercial License, which covers results too"


class Pretrained(NamedTuple):
    """Initial weights of a backbone.

    Attributes:
        variables: of the module `Backbone.build(num_classes, **options)`.
        options: of the module, as JSON values; empty for the published architecture.
        licence: of the weights; None if they are random.
    """

    variables: Variables
    options: dict[str, Any]
    licence: str | None


def initialise(
    name: str, pretrained: str, *, num_classes: int, resolution: int, key: PRNGKeyArray, option: str = "--pretrained"
) -> Pretrained:
    """Returns initial weights of the backbone `name` for square images of `resolution` pixels.

    `pretrained` is as in `load_pretrained`, or "none" for random weights; `option` is as there, too. The last layer, of
    `num_classes`, is always newly initialised from `key`.
    """
    backbone = find(name)
    if resolution < backbone.least_resolution or resolution % backbone.resolution_step:
        steps = f" and a multiple of {backbone.resolution_step}" if backbone.resolution_step > 1 else ""
        least = backbone.least_resolution
        raise UsageError(f"resolution: must be at least {least}{steps} for {name}, got {resolution}")
    image = jnp.zeros((1, resolution, resolution, 3))
    if pretrained == "none":
        module = backbone.build(num_classes)
        return Pretrained(jax.jit(lambda key: module.init(key, image, train=False))(key), {}, None)
    loaded = load_pretrained(name, pretrained, option)
    module = backbone.build(num_classes, **loaded.options)
    params = backbone.fit_resolution(loaded.variables["params"], resolution)
    # Under jit, XLA drops the initialisation of all other layers.
    head = jax.jit(lambda key: module.init(key, image, train=False)["params"][backbone.head])(key)
    return loaded._replace(variables={**loaded.variables, "params": {**params, backbone.head: head}})


def load_pretrained(name: str, pretrained: str, option: str = "--pretrained") -> Pretrained:
    """Loads pretrained weights of the backbone `name`, without the last layer if the checkpoint has none.

    `pretrained` is "imagenet" (the file `Backbone.weights`, downloaded once) or the path of a checkpoint (.pth, .pt,
    .npz, .safetensors) for images in ImageNet normalisation, or in a form that `Backbone.torchvision_names` converts
    to it. `option` is the argument that messages name. Raises UsageError if the file does not match the network.
    """
    backbone = find(name)
    published = backbone.weights if pretrained == "imagenet" else None
    if pretrained == "imagenet" and published is None:
        raise UsageError(f"pretrained: {name} has no published ImageNet weights; give a file or none")
    otherwise = f"{option}=none starts from random weights"
    path = Path(pretrained) if published is None else fetch(published, otherwise=otherwise)
    flat = readers.read_checkpoint(path)
    try:
        variables, options = import_weights(name, flat)
    except UsageError as error:
        raise UsageError(f"{path}: not a checkpoint of {name}: {error}") from error
    if published is None:
        licence = CODEBOOK_LICENCE if codebooks.has_codebooks(flat) else f"that of {path.name}"
        return Pretrained(variables, options, licence)
    if backbone.from_half_range is not None:
        variables = backbone.from_half_range(variables)
    return Pretrained(variables, options, published.licence)


def results_licence(pretrained: str) -> str | None:
    """Returns the licence that the initial weights `pretrained` (see `initialise`) impose on all that is computed with
    them; None if theirs does not.

    Raises:
        UsageError: not a checkpoint.
        OSError: the file cannot be read.
    """
    if pretrained in ("imagenet", "none"):
        return None
    return CODEBOOK_LICENCE if codebooks.has_codebooks(readers.read_checkpoint(pretrained)) else None


def import_weights(name: str, flat: Mapping[str, np.ndarray]) -> tuple[Variables, dict[str, Any]]:
    """Converts the tensors `flat` of a checkpoint, in any layout supported by the backbone `name`.

    Quantised ones are decoded (see `drujax.weights.formats.codebooks`). The last layer may be missing; other missing,
    unexpected or misshapen tensors raise UsageError.

    Returns:
        The variables, and the options of the module that they belong to.
    """
    backbone = find(name)
    plain = codebooks.decode(unwrapped(flat))
    options = backbone.options(plain)
    state = backbone.torchvision_names(plain)
    classes = state.get(f"{backbone.head}.weight")
    module = backbone.build(2 if classes is None else len(classes), **options)
    image = jax.ShapeDtypeStruct((1, backbone.resolution, backbone.resolution, 3), jnp.float32)
    shapes = jax.eval_shape(partial(module.init, train=False), jax.random.key(0), image)
    if classes is None:
        params = {layer: leaves for layer, leaves in shapes["params"].items() if layer != backbone.head}
        shapes = {**shapes, "params": params}
    if codebooks.has_codebooks(flat):
        state = codebooks.complete(state, shapes)
    return jax.tree.map(jnp.asarray, from_torch(state, shapes)), options


def find(name: str) -> Backbone:
    """Returns the backbone called `name`. Raises UsageError if it is unknown."""
    if name not in BACKBONES:
        raise unknown("backbone", name, BACKBONES)
    return BACKBONES[name]

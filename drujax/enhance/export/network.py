"""The description of a network for ONNX, and the table of them; imports no JAX."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drujax.enhance.export.graph import Axes, Value
from drujax.enhance.export.parameters import Parameters
from drujax.enhance.export.refused import check_exportable
from drujax.errors import UsageError

# Each is a module of drujax.enhance.export.networks with a `NETWORK`, named as the method whose network it is.
NAMES = ("enlightengan", "zero_dce_pp", "zero_dce", "sci", "ruas", "clip_lit", "pairlie", "zero_ig")


@dataclass(frozen=True)
class OnnxNetwork:
    """A network as ONNX operators. All but `enhanced` is as in its `drujax.methods.spec.EnhancerNetwork`.

    Attributes:
        enhanced: (parameters, options, image n 3 h w in [0, 1]) -> enhanced image, float32, not clipped.
        options: those that it reads, with the defaults.
        size_multiple: see EnhancerNetwork.
        margin: see EnhancerNetwork.
        guided: see EnhancerNetwork.
        tile: (parameters, options, image, further inputs by name) -> what a tile of the image gives, for networks whose
            tiles have such inputs (`drujax.enhance.tiled_networks`).
        tile_inputs: the axes of each further input.
    """

    enhanced: Callable[[Parameters, Mapping[str, Any], Value], Value]
    options: Mapping[str, Any] = field(default_factory=dict)
    size_multiple: int = 1
    margin: int = 0
    guided: bool = False
    tile: Callable[[Parameters, Mapping[str, Any], Value, Mapping[str, Value]], Value] | None = None
    tile_inputs: Mapping[str, Axes] = field(default_factory=dict)


def is_exportable(metadata: Mapping[str, Any]) -> bool:
    """Whether the network of weights with these metadata can be exported."""
    return metadata["network"] in NAMES and not metadata.get("options", {}).get("wide_pool", False)


def find(name: str) -> OnnxNetwork:
    """Returns the network called `name`. Raises UsageError if it cannot be exported."""
    check_exportable(name)
    if name not in NAMES:
        raise UsageError(f"model: {name} cannot be exported to ONNX (only {', '.join(NAMES)} can); JAX runs it")
    return importlib.import_module(f"drujax.enhance.export.networks.{name}").NETWORK

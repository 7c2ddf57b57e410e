"""The parameters of a network by their paths, as exported networks read them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from drujax.weights.torch_names import flatten

EPSILON = 1e-5  # of all batch normalisations


class Affine(NamedTuple):
    """A batch normalisation with its running statistics: x * scale + shift, for each channel."""

    scale: Float[np.ndarray, " c"]
    shift: Float[np.ndarray, " c"]


class Parameters:
    """Parameters below a module: `parameters.kernel("conv1")`; `parameters["cell"]` are those of a submodule."""

    def __init__(self, variables: Mapping[str, Any], module: str = ""):
        self._arrays = flatten(variables)
        self._module = module

    def __getitem__(self, module: str) -> "Parameters":
        return Parameters(self._arrays, f"{self._module}{module}/")

    def kernel(self, layer: str) -> Float[np.ndarray, "k k i o"]:
        """The kernel of a convolution."""
        return self._array("params", layer, "kernel")

    def bias(self, layer: str) -> Float[np.ndarray, " o"]:
        """The bias of a convolution."""
        return self._array("params", layer, "bias")

    def number(self, layer: str, name: str) -> float:
        """A parameter of one element."""
        return float(self._array("params", layer, name).item())

    def norm(self, layer: str) -> Affine:
        """A batch normalisation."""
        gain, bias = (self._array("params", layer, name) for name in ("scale", "bias"))
        mean, variance = (self._array("batch_stats", layer, name) for name in ("mean", "var"))
        scale = gain / np.sqrt(variance + EPSILON)
        return Affine(scale, bias - mean * scale)

    def _array(self, collection: str, layer: str, name: str) -> np.ndarray:
        return np.asarray(self._arrays[f"{collection}/{self._module}{layer}/{name}"], np.float32)

"""What computes a network and its gains: JAX, ONNX Runtime or OpenVINO. Imports none of them until one is chosen."""

import importlib.util
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Shaped

from drujax.enhance.composition import Gains
from drujax.enhance.tiled_networks import Inputs, Tiling
from drujax.errors import UsageError, unknown
from drujax.runtime.extras import extra_with

NOT_FINITE = "the model's output contains NaN or infinity; its weights file may be corrupted"

Rounding = Literal["nearest", "floor"]
Runtime = Literal["auto", "jax", "onnxruntime", "openvino"]

# What else a runtime imports.
_PACKAGES = {"jax": ("jax",), "onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}


class NetworkOutput(NamedTuple):
    """A network's output, in the engine's own arrays."""

    image: Float[Any, "b h w 3"]  # the input, in 0..1
    enhanced: Float[Any, "b h2 w2 3"]  # not clipped; smaller than the input if an option of the network asks for that
    finite: Any  # whether all of it is


@runtime_checkable
class Engine(Protocol):
    """Runs one network.

    Attributes:
        name: of the runtime.
        metadata: of the weights.
        variables: the weights, as NumPy arrays.
        margin: see `Enhancer`.
        size_multiple: what heights and widths of `network` must be multiples of.
        guided: whether only exposure and colour are taken from the network by default.
        on_cpu: whether it computes on the CPU.
        tiling: how the network is computed in tiles; None if it needs the whole picture.
    """

    name: str
    metadata: dict[str, Any]
    margin: int
    size_multiple: int
    guided: bool
    tiling: Tiling | None

    @property
    def variables(self) -> Any: ...

    @property
    def on_cpu(self) -> bool: ...

    def gains(self, image: Float[np.ndarray, "h w 3"]) -> tuple[Gains, bool]:
        """Returns the gains of an image at working scale, in 0..1, and whether the network's output is finite."""
        ...

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Makes `network` ready for batches of a shape. Raises TooLittleMemory if they cannot fit."""
        ...

    def network(self, batch: Shaped[np.ndarray, "b h w 3"]) -> NetworkOutput:
        """Runs the network on uint8, uint16 or floating images, for whose shape it is prepared."""
        ...

    def in_tile(self, batch: Shaped[np.ndarray, "b h w 3"], inputs: Inputs) -> Float[np.ndarray, "b ..."]:
        """Runs the network on a tile of each image; returns its output, or its shares of what the whole determines
        (`drujax.enhance.tiled_networks`). Raises TooLittleMemory.
        """
        ...

    def blended(
        self, output: NetworkOutput, share: Float[np.ndarray, "b 1 1 1"], *, dtype: np.dtype, rounding: Rounding
    ) -> tuple[Shaped[np.ndarray, "b h w 3"], bool]:
        """Returns the share of the output and 1 - share of the input, clipped and rounded to `dtype`; and whether the
        output is finite.
        """
        ...


class TooLittleMemory(Exception):
    """More memory is needed than is free."""

    def __init__(self, needed: int, free: int):
        super().__init__(f"{needed} bytes are needed and {free} are free")
        self.needed, self.free = needed, free


def load_engine(model: str | Path, runtime: Runtime, margin: int | None) -> Engine:
    """Loads a model (see `drujax.enhance.loading.resolve`) into a runtime.

    Raises:
        UsageError: an unknown model or runtime, or one that is not installed; the runtime cannot run the network.
    """
    name = chosen(runtime)
    if name == "auto":
        name = _automatic(model)
    if name == "jax":
        from drujax.enhance.jax_engine import JaxEngine
        from drujax.enhance.loading import load_model
        from drujax.runtime.devices import devices

        devices()
        return JaxEngine(load_model(model), margin)
    from drujax.enhance.loading import load_variables
    from drujax.enhance.onnx_engine import OnnxEngine

    return OnnxEngine(name, *load_variables(model), margin)


def build_engine(variables: Any, metadata: dict[str, Any], runtime: str, margin: int | None) -> Engine:
    """Builds the engine of a runtime from weights. Raises UsageError as `load_engine` does."""
    if runtime == "jax":
        from drujax.enhance.jax_engine import JaxEngine
        from drujax.enhance.loading import build_model

        return JaxEngine(build_model(variables, metadata), margin)
    from drujax.enhance.onnx_engine import OnnxEngine

    return OnnxEngine(chosen(runtime), variables, metadata, margin)


def chosen(runtime: str) -> str:
    """Returns the name of a runtime.

    Raises:
        UsageError: it is unknown, or a package of it is not installed.
    """
    if runtime not in get_args(Runtime):
        raise unknown("runtime", str(runtime), get_args(Runtime))
    for package in _PACKAGES.get(runtime, ()):
        if not _installed(package):
            extra = extra_with(runtime)
            install = f"; pip install 'drujax[{extra}]' adds it" if extra else ""
            raise UsageError(f"runtime: {runtime} needs the package {package}, which is not installed{install}")
    return runtime


def _automatic(model: str | Path) -> str:
    """Returns the runtime that "auto" stands for: ONNX Runtime if it is installed and can run the network, unless JAX
    has an accelerator here. It is the faster one on a CPU (docs/benchmarks.md).
    """
    from drujax.enhance.loading import resolve
    from drujax.weights.safetensors_io import read_metadata

    if not all(map(_installed, _PACKAGES["onnxruntime"])) or _accelerated():
        return "jax"
    try:
        metadata = read_metadata(resolve(model))
    except UsageError:  # also of a model without weights; otherwise JAX's loading raises it
        return "jax"
    from drujax.enhance.export.network import is_exportable

    return "onnxruntime" if is_exportable(metadata) else "jax"


def _accelerated() -> bool:
    """Whether JAX computes on a GPU or TPU here, as far as can be told without importing it."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return platforms != "cpu" if platforms else any(map(_installed, ("jax_plugins", "libtpu")))


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None

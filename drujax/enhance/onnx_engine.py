"""Runs the programs of `drujax.enhance.enhancer.Enhancer` by ONNX Runtime or OpenVINO on the CPU, without JAX.

The models are built in memory (`drujax.enhance.export.onnx_file`), which takes less time than to find them in a cache.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from onnx import ModelProto

from drujax.enhance.blending import floats_of, levels_of, mixed
from drujax.enhance.composition import Gains
from drujax.enhance.engine import NetworkOutput, Rounding, TooLittleMemory
from drujax.enhance.export.network import find
from drujax.enhance.export.onnx_file import onnx_model, tile_model
from drujax.enhance.tiled_networks import Inputs
from drujax.enhance.tiled_networks import find as find_tiling
from drujax.enhance.working_scale import SIDE
from drujax.runtime.memory import free_memory

Session = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]  # inputs by name -> outputs


class OnnxEngine:
    """See `drujax.enhance.engine.Engine`. One program for all sizes."""

    on_cpu = True

    def __init__(self, runtime: str, variables: Any, metadata: dict[str, Any], margin: int | None):
        """Raises UsageError if the network cannot be exported."""
        network = find(metadata["network"])
        self.name = runtime
        self.variables, self.metadata = variables, metadata
        self.size_multiple, self.guided = network.size_multiple, network.guided
        self.margin = network.margin if margin is None else margin
        self.tiling = find_tiling(metadata, {**network.options, **metadata.get("options", {})})
        self._tiles: dict[tuple[str, ...], Session] = {}

    @functools.cached_property
    def _network(self) -> Session:
        return SESSIONS[self.name](onnx_model(self.variables, self.metadata))

    @functools.cached_property
    def _gains(self) -> Session:
        margin = min(self.margin, SIDE - 1)  # a reflection has one pixel less than the side
        return SESSIONS[self.name](onnx_model(self.variables, self.metadata, program="gains", margin=margin))

    def gains(self, image: Float[np.ndarray, "h w 3"]) -> tuple[Gains, bool]:
        exposure, tint, finite = self._gains({"image": _planes(image[None])})
        return Gains(exposure[0], tint[0]), bool(finite)

    def prepare(self, shape: tuple[int, ...]) -> None:
        b, h, w, _ = shape
        # What a network needs besides its input and output is known about.
        needed = b * h * w * (2 * 4 * 3 if self.tiling is None else self.tiling.memory)
        free = free_memory()
        if free is not None and needed > free:
            raise TooLittleMemory(needed, free)

    def network(self, batch: Shaped[np.ndarray, "b h w 3"]) -> NetworkOutput:
        x = floats_of(batch)
        y = self._network({"image": _planes(x)})[0].transpose(0, 2, 3, 1)
        return NetworkOutput(x, y, np.isfinite(y).all())

    def in_tile(self, batch: Shaped[np.ndarray, "b h w 3"], inputs: Inputs) -> Float[np.ndarray, "b ..."]:
        self.prepare(batch.shape)
        if not inputs:
            return self.network(batch).enhanced
        names = tuple(sorted(inputs))
        if names not in self._tiles:
            self._tiles[names] = SESSIONS[self.name](tile_model(self.variables, self.metadata, names))
        (y,) = self._tiles[names]({"image": _planes(floats_of(batch)), **inputs})
        return y.transpose(0, 2, 3, 1) if y.ndim == 4 else y

    def blended(
        self, output: NetworkOutput, share: Float[np.ndarray, "b 1 1 1"], *, dtype: np.dtype, rounding: Rounding
    ) -> tuple[Shaped[np.ndarray, "b h w 3"], bool]:
        x, y, finite = output
        if not finite:
            return np.zeros(y.shape, dtype), False
        return levels_of(mixed(x[:, : y.shape[1], : y.shape[2]], y, share), dtype, rounding), True


def _planes(x: Float[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n 3 h w"]:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _onnxruntime(model: ModelProto) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # Waiting threads leave the cores to decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda inputs: [np.asarray(y) for y in session.run(None, inputs)]


def _openvino(model: ModelProto) -> Session:
    import openvino  # pyright: ignore[reportMissingImports]

    core = openvino.Core()
    # Float32: the default is bfloat16 where the processor has it, with other results.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return lambda inputs: [np.array(y) for y in compiled(inputs).values()]


SESSIONS: dict[str, Callable[[ModelProto], Session]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}

"""Runs the programs of `drujax.enhance.enhancer.Enhancer` by ONNX Runtime or OpenVINO on the CPU, without JAX.

The models are built in memory (`drujax.enhance.export.onnx_file`), which takes less time than to find them in a cache.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from onnx import ModelProto

from drujax.enhance.composition import Gains
from drujax.enhance.engine import NetworkOutput, Rounding, TooLittleMemory
from drujax.enhance.export.network import find
from drujax.enhance.export.onnx_file import onnx_model
from drujax.enhance.working_scale import SIDE
from drujax.pictures.arrays import is_floating
from drujax.pictures.color import to_float
from drujax.runtime.memory import free_memory

Session = Callable[[Float[np.ndarray, "n 3 h w"]], list[np.ndarray]]


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

    @functools.cached_property
    def _network(self) -> Session:
        return SESSIONS[self.name](onnx_model(self.variables, self.metadata))

    @functools.cached_property
    def _gains(self) -> Session:
        margin = min(self.margin, SIDE - 1)  # a reflection has one pixel less than the side
        return SESSIONS[self.name](onnx_model(self.variables, self.metadata, program="gains", margin=margin))

    def gains(self, image: Float[np.ndarray, "h w 3"]) -> tuple[Gains, bool]:
        exposure, tint, finite = self._gains(_planes(image[None]))
        return Gains(exposure[0], tint[0]), bool(finite)

    def prepare(self, shape: tuple[int, ...]) -> None:
        # What a network needs besides its input and output is not known beforehand.
        needed, free = 2 * 4 * math.prod(shape), free_memory()
        if free is not None and needed > free:
            raise TooLittleMemory(needed, free)

    def network(self, batch: Shaped[np.ndarray, "b h w 3"]) -> NetworkOutput:
        x = batch.astype(np.float32) if is_floating(batch.dtype) else to_float(batch)
        y = self._network(_planes(x))[0].transpose(0, 2, 3, 1)
        return NetworkOutput(x, y, np.isfinite(y).all())

    def blended(
        self, output: NetworkOutput, share: Float[np.ndarray, "b 1 1 1"], *, dtype: np.dtype, rounding: Rounding
    ) -> tuple[Shaped[np.ndarray, "b h w 3"], bool]:
        x, y, finite = output
        if not finite:
            return np.zeros(y.shape, dtype), False
        x = x[:, : y.shape[1], : y.shape[2]]
        blended = ((1 - share) * x + share * y.clip(0, 1)).clip(0, 1)
        if is_floating(dtype):
            return blended, True
        levels = blended * np.float32(np.iinfo(dtype).max)
        return (np.rint(levels) if rounding == "nearest" else np.floor(levels)).astype(dtype), True


def _planes(x: Float[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n 3 h w"]:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _onnxruntime(model: ModelProto) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # Waiting threads leave the cores to decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: [np.asarray(y) for y in session.run(None, {"image": x})]


def _openvino(model: ModelProto) -> Session:
    import openvino  # pyright: ignore[reportMissingImports]

    core = openvino.Core()
    # Float32: the default is bfloat16 where the processor has it, with other results.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return lambda x: [np.array(y) for y in compiled([x]).values()]


SESSIONS: dict[str, Callable[[ModelProto], Session]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}

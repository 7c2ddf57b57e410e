"""RUAS's illumination estimation and noise removal (`drujax/models/ruas.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, concat, conv, leaky_relu, max_pool2
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters
from drujax.models.ruas_cells import PLACES, genotype

DARKEST = 0.001  # lower bound of the illumination
SLOPE = 0.05  # of the leaky ReLU
STEPS = 3


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The last unrolled step, less the noise with `denoise`."""
    dtype = image.graph.dtype
    lit = None
    for step in range(STEPS):
        x = _brightest_neighbour(image if lit is None else lit)
        if lit is not None:
            x = x - 0.5 * (lit - image)
        cell = parameters["enhance_net"][f"iems.{step}.cell"]
        estimate = _cell(cell, options["illumination"], x.cast(dtype), "illumination").op("Sigmoid").cast(np.float32)
        lit = (image / estimate.clip(DARKEST, 1)).clip(0, 1)
    assert lit is not None
    if not options["denoise"]:
        return lit
    own = parameters["denoise_net"]
    x = conv(lit.cast(dtype), own.kernel("stem"), own.bias("stem"), padding=1)
    for step in range(STEPS):
        x = _cell(own[f"nrms.{step}"], options["noise"], x, "noise")
    return lit - conv(x, own.kernel("activate.0"), own.bias("activate.0"), padding=1).cast(np.float32)


def _cell(parameters: Parameters, text: str, x: Value, kind: str) -> Value:
    operations: dict[str, str] = dict(zip(PLACES, genotype(kind, text), strict=True))
    kept = []
    for level in (1, 2, 3):
        kept.append(_activate(_operation(parameters, operations, f"c{level}_d", x)))
        x = _activate(_operation(parameters, operations, f"c{level}_r", x, plus=1))
    kept.append(_activate(_operation(parameters, operations, "c4", x)))
    return conv(concat(kept), parameters.kernel("c5"), parameters.bias("c5"))


def _operation(parameters: Parameters, operations: Mapping[str, str], place: str, x: Value, *, plus: int = 0) -> Value:
    """An operation of the cell, and `plus` times its input, which its kernel adds."""
    name = operations[place]
    if name == "skip":
        return (1 + plus) * x if plus else x
    kernel = parameters[place].kernel("op").copy()
    size, dilation = kernel.shape[0], 2 if "dil" in name else 1
    kernel[size // 2, size // 2] += (plus + name.startswith("res")) * np.eye(kernel.shape[-1], dtype=np.float32)
    return conv(x, kernel, parameters[place].bias("op"), padding=dilation * (size // 2), dilation=dilation)


def _brightest_neighbour(x: Value) -> Value:
    """Maximum of a pixel, its right and its lower neighbours; beyond the border is 0."""
    pads = np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64)
    return max_pool2(Value(x.graph, x.graph.op("Pad", x, pads).name, x.dtype), stride=1)


def _activate(x: Value) -> Value:
    return leaky_relu(x, SLOPE)


NETWORK = OnnxNetwork(enhanced, {"denoise": True, "illumination": "released", "noise": "released"})

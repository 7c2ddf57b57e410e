"""CLIP-LIT's enhancement network (`drujax/models/clip_lit.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import (
    FLOAT,
    Value,
    concat,
    conv,
    leaky_relu,
    positions,
    reflect,
    resize_aligned,
    where,
)
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters

SLOPE = 0.2  # of the leaky ReLU
BINS = (1, 2, 3, 6)


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The image divided by its illumination; black pixels stay black."""

    def convolve(x: Value, name: str) -> Value:
        kernel, bias = parameters.kernel(name), parameters.bias(name)
        return (
            conv(reflect(x, 1), kernel, bias) if options["padding"] == "reflect" else conv(x, kernel, bias, padding=1)
        )

    def blocks(x: Value, *numbers: int) -> Value:
        for number in numbers:
            x = _residual(parameters[f"ResidualBlock{number}"], x)
        return x

    x = leaky_relu(convolve(image.cast(image.graph.dtype), "cond1"), SLOPE)
    x = _pyramid_pooling(parameters["PPM1"], blocks(x, 1, 2))
    x = blocks(convolve(x, "condx"), 3, 4)
    x = blocks(convolve(x, "condy"), 5, 6)
    divisor = convolve(x, "cond_add1").op("Relu").cast(np.float32) + options["epsilon"]
    lit = divisor.op("Greater", 0.0)
    coloured = image.op("Greater", 0.0).op("Cast", to=FLOAT)
    return where(lit, image / where(lit, divisor, 1), coloured).clip(0, 1)


def _residual(parameters: Parameters, x: Value) -> Value:
    y = leaky_relu(conv(reflect(x, 1), parameters.kernel("conv1")), SLOPE)
    return leaky_relu(conv(reflect(y, 1), parameters.kernel("conv2")) + x, SLOPE)


def _pyramid_pooling(parameters: Parameters, x: Value) -> Value:
    parts = [x]
    for i, bins in enumerate(BINS):
        y = conv(_adaptive_average_pool(x, bins), parameters.kernel(f"features.{i}.1"))
        y = leaky_relu(y, parameters.number(f"features.{i}.2", "weight"))
        parts.append(resize_aligned(y, x))
    y = conv(concat(parts), parameters.kernel("fuse.0"), padding=1)
    return leaky_relu(y, parameters.number("fuse.1", "weight"))


def _adaptive_average_pool(x: Value, side: int) -> Value:
    """Averages over side x side areas; see `drujax.models.layers.pool`."""
    if side == 1:
        return x.op("GlobalAveragePool")
    rows, columns = (_areas(x, axis, side) for axis in (2, 3))
    return (rows @ x.cast(np.float32) @ columns.op("Transpose", perm=[1, 0])).cast(x.dtype)


def _areas(x: Value, axis: int, side: int) -> Value:
    """The weights of n rows in each of `side` areas, side x n."""
    n = x.size(axis)
    index = np.arange(side)[:, None]
    start, stop = index * n / side, ((index + 1) * n + side - 1) / side
    at = positions(0, n)
    inside = at.op("GreaterOrEqual", start).op("And", at.op("Less", stop))
    return Value(x.graph, inside.name, bool).cast(np.float32) / (stop - start).cast(np.float32)


NETWORK = OnnxNetwork(enhanced, {"padding": "reflect", "epsilon": 0.0})

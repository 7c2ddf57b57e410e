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
    spread,
    where,
)
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters

SLOPE = 0.2  # of the leaky ReLU
BINS = (1, 2, 3, 6)


def enhanced(
    parameters: Parameters, options: Mapping[str, Any], image: Value, inputs: Mapping[str, Value] | None = None
) -> Value:
    """The image divided by its illumination; black pixels stay black.

    `inputs` are those of a tile (`drujax.models.clip_lit.Tile`): without the averages it gives its share of them.
    """

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
    x = blocks(x, 1, 2)
    if inputs and "pooled" not in inputs:
        return _share(x, inputs)
    x = _pyramid_pooling(parameters["PPM1"], x, inputs)
    x = blocks(convolve(x, "condx"), 3, 4)
    x = blocks(convolve(x, "condy"), 5, 6)
    divisor = convolve(x, "cond_add1").op("Relu").cast(np.float32) + options["epsilon"]
    lit = divisor.op("Greater", 0.0)
    coloured = image.op("Greater", 0.0).op("Cast", to=FLOAT)
    return where(lit, image / where(lit, divisor, 1), coloured).clip(0, 1)


def _residual(parameters: Parameters, x: Value) -> Value:
    y = leaky_relu(conv(reflect(x, 1), parameters.kernel("conv1")), SLOPE)
    return leaky_relu(conv(reflect(y, 1), parameters.kernel("conv2")) + x, SLOPE)


def _pyramid_pooling(parameters: Parameters, x: Value, inputs: Mapping[str, Value] | None) -> Value:
    parts = [x]
    for i, bins in enumerate(BINS):
        pooled = _pooled(inputs["pooled"], i) if inputs else _adaptive_average_pool(x, bins)
        y = conv(pooled, parameters.kernel(f"features.{i}.1"))
        y = leaky_relu(y, parameters.number(f"features.{i}.2", "weight"))
        if inputs:
            rows, columns = (inputs[name].sliced(1, sum(BINS[:i]), sum(BINS[: i + 1])) for name in ("rows", "columns"))
            parts.append(spread(rows, y, columns))
        else:
            parts.append(resize_aligned(y, x))
    y = conv(concat(parts), parameters.kernel("fuse.0"), padding=1)
    return leaky_relu(y, parameters.number("fuse.1", "weight"))


def _share(x: Value, inputs: Mapping[str, Value]) -> Value:
    """A tile's share of the averages over the bins of all pools, n squares c."""
    shares = []
    for i in range(len(BINS)):
        rows, columns = (inputs[name].sliced(0, sum(BINS[:i]), sum(BINS[: i + 1])) for name in ("rows", "columns"))
        share = spread(rows, x, columns)
        shares.append(Value(x.graph, x.graph.op("Reshape", share, np.array([0, 0, -1], np.int64)).name, x.dtype))
    return concat(shares, 2).op("Transpose", perm=[0, 2, 1])


def _pooled(pooled: Value, pool: int) -> Value:
    """The averages over the bins of a pool, n c side side."""
    before, bins = sum(side**2 for side in BINS[:pool]), BINS[pool]
    own = pooled.sliced(1, before, before + bins**2).op("Transpose", perm=[0, 2, 1])
    return Value(own.graph, own.graph.op("Reshape", own, np.array([0, 0, bins, bins], np.int64)).name, own.dtype)


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


NETWORK = OnnxNetwork(
    enhanced,
    {"padding": "reflect", "epsilon": 0.0},
    tile=enhanced,
    tile_inputs={"rows": ("r0", "r1"), "columns": ("c0", "c1"), "pooled": ("n", "squares", "features")},
)

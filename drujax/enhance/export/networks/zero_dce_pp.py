"""Zero-DCE++'s network (`drujax/models/zero_dce_pp.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, concat, conv, cropped_back, padded_to, resize_aligned, spread, where
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters

ITERATIONS = 8


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The image after the curve; smaller with `crop`."""
    ratio = options["ratio"]
    if options["crop"]:
        for axis in (2, 3):
            n = image.size(axis)
            whole = n / ratio * ratio
            positive = whole.op("Greater", 0)
            image = image.sliced(axis, 0, where(positive, whole, n))
    padded, places = padded_to(image, ratio, centred=False)
    curve = _curve(parameters, _shrunk(padded, ratio).cast(image.graph.dtype)).cast(np.float32)
    if ratio > 1:
        curve = resize_aligned(curve, padded)
    return apply_curves(image, [cropped_back(curve, places)])


def _tile(parameters: Parameters, options: Mapping[str, Any], image: Value, inputs: Mapping[str, Value]) -> Value:
    """The image, a tile, after the curve, whose interpolation depends on the place."""
    curve = _curve(parameters, _shrunk(image, options["ratio"]))
    return apply_curves(image, [spread(inputs["rows"], curve, inputs["columns"])])


def apply_curves(image: Value, curves: Sequence[Value]) -> Value:
    """The image after eight curves; one stands for all."""
    for curve in list(curves) * (ITERATIONS // len(curves)):
        image = image + curve * image * (image - 1)
    return image


def _curve(parameters: Parameters, x: Value) -> Value:
    def layer(number: int, x: Value, groups: int) -> Value:
        depth, point = (f"e_conv{number}.{name}_conv" for name in ("depth", "point"))
        x = conv(x, parameters.kernel(depth), parameters.bias(depth), padding=1, groups=groups)
        return conv(x, parameters.kernel(point), parameters.bias(point))

    features = parameters.bias("e_conv1.point_conv").size
    x1 = layer(1, x, 3).op("Relu")
    x2 = layer(2, x1, features).op("Relu")
    x3 = layer(3, x2, features).op("Relu")
    x4 = layer(4, x3, features).op("Relu")
    x5 = layer(5, concat([x3, x4]), 2 * features).op("Relu")
    x6 = layer(6, concat([x2, x5]), 2 * features).op("Relu")
    return layer(7, concat([x1, x6]), 2 * features).op("Tanh")


def _shrunk(x: Value, ratio: int) -> Value:
    """The centre of each cell of `ratio` x `ratio` pixels: one pixel, or the mean of 2 x 2 if the ratio is even."""
    if ratio == 1:
        return x
    for axis in (2, 3):
        x = x.sliced(axis, (ratio - 1) // 2, x.size(axis))
    return x.op("AveragePool", kernel_shape=[2 - ratio % 2] * 2, strides=[ratio] * 2)


NETWORK = OnnxNetwork(
    enhanced,
    {"ratio": 12, "features": 32, "crop": False},
    tile=_tile,
    tile_inputs={"rows": ("height", "rows"), "columns": ("width", "columns")},
)

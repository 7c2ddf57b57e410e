"""Zero-DCE's network (`drujax/models/zero_dce.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, concat, conv
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.networks.zero_dce_pp import ITERATIONS, apply_curves
from drujax.enhance.export.parameters import Parameters


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The image after eight curves, one after the other."""

    def layer(number: int, *maps: Value) -> Value:
        name = f"e_conv{number}"
        return conv(concat(maps), parameters.kernel(name), parameters.bias(name), padding=1)

    x1 = layer(1, image.cast(image.graph.dtype)).op("Relu")
    x2 = layer(2, x1).op("Relu")
    x3 = layer(3, x2).op("Relu")
    x4 = layer(4, x3).op("Relu")
    x5 = layer(5, x3, x4).op("Relu")
    x6 = layer(6, x2, x5).op("Relu")
    curves = layer(7, x1, x6).op("Tanh").cast(np.float32)
    return apply_curves(image, [curves.sliced(1, 3 * i, 3 * i + 3) for i in range(ITERATIONS)])


NETWORK = OnnxNetwork(enhanced, {"features": 32})

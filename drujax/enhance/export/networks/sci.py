"""SCI's illumination estimation (`drujax/models/sci.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, conv
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters

DARKEST = 1e-4  # lower bound of the illumination


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The image divided by its illumination."""
    own = parameters["enhance"]
    given = image.cast(image.graph.dtype)
    x = conv(given, own.kernel("in_conv.0"), own.bias("in_conv.0"), padding=1).op("Relu")
    scale, shift = own.norm("conv.1")
    y = conv(x, own.kernel("conv.0") * scale, own.bias("conv.0") * scale + shift, padding=1)
    x = x + y.op("Relu")
    x = conv(x, own.kernel("out_conv.0"), own.bias("out_conv.0"), padding=1).op("Sigmoid")
    illumination = (x.cast(np.float32) + image).clip(DARKEST, 1)
    return (image / illumination).clip(0, 1)


NETWORK = OnnxNetwork(enhanced)

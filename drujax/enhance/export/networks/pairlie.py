"""PairLIE's networks (`drujax/models/pairlie.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, conv, reflect_once
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The reflectance times a power of the illumination, both of the cleaned image."""
    cleaned = _convolutions(parameters["N_net"], "N_net", image.cast(image.graph.dtype))
    light, reflectance = (_convolutions(parameters[name], name, cleaned) for name in ("L_net", "R_net"))
    exponent = np.float32(options["exponent"])
    return light.cast(np.float32).op("Pow", exponent) * reflectance.cast(np.float32)


def _convolutions(parameters: Parameters, prefix: str, x: Value) -> Value:
    """Five 3x3 convolutions with reflection padding, then the logistic function."""
    for index in (1, 4, 7, 10, 13):
        name = f"{prefix}.{index}"
        x = conv(reflect_once(x), parameters.kernel(name), parameters.bias(name))
        x = x.op("Relu" if index < 13 else "Sigmoid")
    return x


NETWORK = OnnxNetwork(enhanced, {"exponent": 0.2, "features": 64})

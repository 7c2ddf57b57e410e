"""ZERO-IG's illumination estimation and noise removals (`drujax/models/zero_ig.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import Value, concat, conv, leaky_relu
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters

DARKEST = 1e-4  # lower bound of the illumination and of the images
SLOPE = 0.2  # of the leaky ReLU
BLOCKS = 3  # of the illumination estimation, which share their weights


def enhanced(parameters: Parameters, options: Mapping[str, Any], image: Value) -> Value:
    """The image divided by the illumination of the image without noise; without its own noise with `denoise`."""
    image = image + DARKEST
    light = _illumination(parameters["enhance"], _bounded(image - _noise(parameters["denoise_1"], image)))
    lit = _bounded(image / light)
    if not options["denoise"]:
        return lit
    both = concat([lit, light])
    return _bounded(both - _noise(parameters["denoise_2"], both)).sliced(1, 0, 3)


def _noise(parameters: Parameters, x: Value) -> Value:
    y = x.cast(x.graph.dtype)
    for name in ("conv1", "conv2"):
        y = leaky_relu(conv(y, parameters.kernel(name), parameters.bias(name), padding=1), SLOPE)
    return conv(y, parameters.kernel("conv3"), parameters.bias("conv3")).cast(np.float32)


def _illumination(parameters: Parameters, image: Value) -> Value:
    x = image.cast(image.graph.dtype)
    x = conv(x, parameters.kernel("in_conv.0"), parameters.bias("in_conv.0"), padding=1).op("Relu")
    scale, shift = parameters.norm("conv.1")
    kernel, bias = parameters.kernel("conv.0") * scale, parameters.bias("conv.0") * scale + shift
    for _ in range(BLOCKS):
        x = x + conv(x, kernel, bias, padding=1).op("Relu")
    x = conv(x, parameters.kernel("out_conv.0"), parameters.bias("out_conv.0"), padding=1)
    return x.op("Sigmoid").cast(np.float32).clip(DARKEST, 1)


def _bounded(x: Value) -> Value:
    return x.clip(DARKEST, 1)


NETWORK = OnnxNetwork(enhanced, {"denoise": True, "features": 64, "denoise_features": 48})

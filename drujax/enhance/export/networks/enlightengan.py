"""EnlightenGAN's generator (`drujax/models/generator.py`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.enhance.export.graph import (
    Value,
    concat,
    conv,
    cropped_back,
    leaky_relu,
    max_pool2,
    padded_to,
    upsample2,
    upsample2_in_tile,
)
from drujax.enhance.export.network import OnnxNetwork
from drujax.enhance.export.parameters import Parameters
from drujax.errors import UsageError
from drujax.pictures.color import LUMA_WEIGHTS

SLOPE = 0.2  # of the leaky ReLU


def enhanced(
    parameters: Parameters, options: Mapping[str, Any], image: Value, inputs: Mapping[str, Value] | None = None
) -> Value:
    """The image and what the U-Net adds; `inputs` are the extents of a tile.

    Raises UsageError for `wide_pool`, which decides by the image's size.
    """
    if options["wide_pool"]:
        raise UsageError("option wide_pool: cannot be exported; convert the checkpoint without it")
    padded, places = padded_to(image.cast(image.graph.dtype), 16, centred=True)
    attention = conv(padded, -np.reshape(LUMA_WEIGHTS, (1, 1, 3, 1)), np.ones(1))
    pyramid = [attention]
    for _ in range(4):
        pyramid.append(max_pool2(pyramid[-1]))

    x = concat([2 * padded - 1, attention])
    skips = []
    for level in (1, 2, 3, 4):
        x = _block(parameters, _block(parameters, x, f"{level}_1"), f"{level}_2")
        skips.append(x * pyramid[level - 1])
        x = max_pool2(x)
    x = _block(parameters, x, "5_1")
    x = _block(parameters, x * pyramid[4], "5_2")
    for level in (6, 7, 8, 9):
        if inputs:
            x = upsample2_in_tile(x, 2 ** (10 - level), inputs["rows"], inputs["columns"])
        else:
            x = upsample2(x, align_corners=options["align_corners"])
        deconv = f"deconv{level - 1}"
        x = conv(x, parameters.kernel(deconv), parameters.bias(deconv), padding=1)
        x = _block(parameters, concat([x, skips.pop()]), f"{level}_1")
        x = _block(parameters, x, f"{level}_2", norm=level < 9)
    # Halved, because images in 0..1 are half as wide as those in -1..1.
    latent = conv(x, parameters.kernel("conv10") / 2, parameters.bias("conv10") / 2) * attention
    return image + cropped_back(latent, places).cast(np.float32)


def _block(parameters: Parameters, x: Value, name: str, *, norm: bool = True) -> Value:
    """Convolution, activation and normalisation, whose scale the convolution takes: leaky ReLU(s x) is s leaky ReLU(x)
    for s >= 0, and for s < 0 the two branches change places.

    The shift stays a node: the next convolution pads with zeros, which are not shifted.
    """
    kernel, bias = parameters.kernel(f"conv{name}"), parameters.bias(f"conv{name}")
    if not norm:
        return leaky_relu(conv(x, kernel, bias, padding=1), SLOPE)
    scale, shift = parameters.norm(f"bn{name}")
    factor = np.where(scale < 0, SLOPE * scale, scale)
    y = conv(x, kernel * factor, bias * factor, padding=1)
    if (scale >= 0).all():
        y = leaky_relu(y, SLOPE)
    else:
        y = y.op("PRelu", np.where(scale < 0, 1 / SLOPE, SLOPE)[:, None, None])
    return y + shift[:, None, None]


NETWORK = OnnxNetwork(
    enhanced,
    {"align_corners": False, "wide_pool": False, "width": 32},
    size_multiple=16,
    margin=16,
    guided=True,
    tile=enhanced,
    tile_inputs={"rows": (2,), "columns": (2,)},
)

"""Networks of drujax as ONNX models, written without PyTorch and without JAX.

Input `image`: float32, N x 3 x H x W, RGB in 0..1 as stored in files (sRGB-encoded), of any size. Two programs:

* "network": `enhanced`, N x 3 x H x W, nominally in 0..1, not clipped;
* "gains": what `drujax enhance` computes of a picture at working scale (`drujax.enhance.working_scale`): `exposure`,
  N x gh x gw x 2, and `tint`, N x gh x gw x 3 (`drujax.enhance.composition.Gains`), and `finite`, whether the network's
  output is.

The metadata (`metadata_props`) say so, and name the network, its options, the licence, and the size of the border
that zero padding affects.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np
from onnx import ModelProto

from drujax.enhance.export.composition import gains
from drujax.enhance.export.graph import Graph, Value, cropped_back, reflect
from drujax.enhance.export.network import OnnxNetwork, find
from drujax.enhance.export.parameters import Parameters
from drujax.errors import UsageError, unknown
from drujax.runtime.version import __version__

Program = Literal["network", "gains"]

INPUT = "float32, N x 3 x H x W (NCHW), RGB, 0..1, sRGB-encoded as in picture files"
OUTPUTS = {
    "network": "enhanced: float32, N x 3 x H x W, RGB, nominally 0..1, not clipped",
    "gains": "exposure: N x GH x GW x 2, tint: N x GH x GW x 3 (log gains); finite: boolean",
}


def onnx_model(
    variables: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    program: Program = "network",
    half: bool = False,
    margin: int | None = None,
) -> ModelProto:
    """Builds the ONNX model of a network.

    Args:
        variables: its parameters and batch statistics, nested.
        metadata: of the weights (`drujax.weights.safetensors_io`).
        program: see the module docstring.
        half: compute in float16. Inputs, outputs and what is not convolved stay float32.
        margin: of the program "gains": pixels that it pads by reflection before the network; by default the network's.

    Raises:
        UsageError: the network or an option of it cannot be exported; values exceed float16.
    """
    if program not in get_args(Program):
        raise unknown("program", program, get_args(Program))
    network = find(metadata["network"])
    options = {**network.options, **metadata.get("options", {})}
    graph = Graph(np.float16 if half else np.float32)
    image = graph.input("image", ("n", 3, "height", "width"))
    parameters = Parameters(variables)
    margin = network.margin if margin is None else margin
    if program == "network":
        graph.output("enhanced", network.enhanced(parameters, options, image), ("n", 3, "h", "w"))
    else:
        enhanced = _enhanced_with_margin(network, parameters, options, image, margin)
        exposure, tint = gains(image, enhanced)
        graph.output("exposure", exposure, ("n", "gh", "gw", 2))
        graph.output("tint", tint, ("n", "gh", "gw", 3))
        graph.output("finite", _all_finite(enhanced), (), boolean=True)
    if half and not graph.is_finite():
        raise UsageError("half: values of the weights exceed float16")
    texts = {
        "network": metadata["network"],
        "options": json.dumps(options),
        "licence": metadata.get("licence", "none stated"),
        "drujax_version": __version__,
        "program": program,
        "input": INPUT,
        "outputs": OUTPUTS[program],
        "computed_in": str(graph.dtype),
        "size_multiple": str(network.size_multiple),
        "margin": str(margin),
        "guided": json.dumps(network.guided),
    }
    return graph.model(f"{metadata['network']}_{program}", texts)


def tile_model(variables: Mapping[str, Any], metadata: Mapping[str, Any], names: Collection[str]) -> ModelProto:
    """Builds the ONNX model of a tile, with the further inputs of these names (see `OnnxNetwork.tile`)."""
    network = find(metadata["network"])
    assert network.tile is not None
    graph = Graph()
    image = graph.input("image", ("n", 3, "height", "width"))
    inputs = {name: graph.input(name, network.tile_inputs[name]) for name in names}
    options = {**network.options, **metadata.get("options", {})}
    found = network.tile(Parameters(variables), options, image, inputs)
    graph.output("enhanced", found, None)
    return graph.model(f"{metadata['network']}_tile", {})


def _enhanced_with_margin(
    network: OnnxNetwork, parameters: Parameters, options: Mapping[str, Any], image: Value, margin: int
) -> Value:
    """The network's output for an image that is padded by reflection before, and cropped afterwards."""
    if not margin:
        return network.enhanced(parameters, options, image)
    enhanced = network.enhanced(parameters, options, reflect(image, margin))
    start = image.size(2) * 0 + margin
    return cropped_back(enhanced, [(start, start + image.size(axis)) for axis in (2, 3)])


def _all_finite(x: Value) -> Value:
    graph = x.graph
    bad = Value(graph, graph.op("Or", graph.op("IsNaN", x), graph.op("IsInf", x)).name, bool)
    return bad.cast(np.float32).op("ReduceMax", keepdims=0).cast(bool).op("Not")

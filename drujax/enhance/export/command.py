"""The command `drujax export`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from drujax.console import output
from drujax.console.option_types import Flag
from drujax.errors import UsageError
from drujax.runtime.atomic_write import check_folder, write_atomically

SUFFIXES = (".onnx", ".jaxexport", ".stablehlo")


@dataclasses.dataclass(frozen=True)
class Export:
    """Writes a network for other programs: ONNX, or an artefact of jax.export (docs/export.md)."""

    # The file to write: .onnx; .jaxexport for jax.export.deserialize; .stablehlo for its module alone.
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Model to export: a name listed by drujax models, a .safetensors file, or the folder of a training run.
    model: str = "exposure-slim"
    # What is exported to ONNX: the network alone, or what drujax enhance computes from a small copy of a picture.
    program: Literal["network", "gains"] = "network"
    # Store weights and compute in half precision; inputs and outputs stay float32 (ONNX only).
    half: Flag = False


def run(options: Export) -> int:
    """Writes the file; returns the exit code.

    Raises:
        UsageError: an unknown suffix or model, options that contradict the suffix; the network cannot be exported.
        OSError: the file cannot be written.
    """
    path = options.output
    if path.suffix not in SUFFIXES:
        raise UsageError(f"-o: must end in one of {', '.join(SUFFIXES)}, got {path}")
    check_folder("-o", path)
    if path.suffix == ".onnx":
        content, described = _onnx(options)
    elif options.half or options.program != "network":
        given = "--half" if options.half else "--program"
        raise UsageError(f"{given}: of .onnx files only, got {path}")
    else:
        content, described = _jax(options)
    write_atomically(path, content)
    output.say(f"{path}: {described}, {len(content) / 1e6:.1f} MB")
    return 0


def _onnx(options: Export) -> tuple[bytes, str]:
    from drujax.enhance.export.graph import OPSET
    from drujax.enhance.export.onnx_file import onnx_model
    from drujax.enhance.loading import load_variables

    model = onnx_model(*load_variables(options.model), program=options.program, half=options.half)
    licence = next(entry.value for entry in model.metadata_props if entry.key == "licence")
    return model.SerializeToString(), f"ONNX opset {OPSET}, {len(model.graph.node)} nodes, licence {licence}"


def _jax(options: Export) -> tuple[bytes, str]:
    from drujax.enhance.export.jax_file import exported_network, size_multiple
    from drujax.enhance.loading import load_model

    loaded = load_model(options.model)
    exported = exported_network(loaded)
    content = exported.mlir_module_serialized if options.output.suffix == ".stablehlo" else exported.serialize()
    sizes = f"heights and widths that are multiples of {size_multiple(loaded)}"
    return bytes(content), f"{', '.join(exported.platforms)}; {sizes}; licence {loaded.metadata.get('licence')}"

"""Converts checkpoints of other programs to drujax's weight files (`drujax convert`)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drujax.enhance.zoo import models, network_of
from drujax.errors import UsageError, unknown
from drujax.methods import registry
from drujax.runtime.cache import cache_folder, make_folder
from drujax.weights import safetensors_io
from drujax.weights.download import fetch
from drujax.weights.formats.readers import read_checkpoint


def convert_checkpoint(
    checkpoint: str | Path,
    *,
    model: str,
    output: str | Path,
    options: Mapping[str, Any] | None = None,
    part: str | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """Converts the network in `checkpoint`, writes it to `output`, and returns the metadata.

    Args:
        checkpoint: `.pth`, `.pt`, `.npz` or `.safetensors` with the authors' names; no code in it is executed.
        model: a network (`drujax.methods.registry.networks`) or the name of a model of it.
        output: a `.safetensors` file.
        options: of the network; others are as the authors' checkpoint requires, else the defaults (EnlightenGAN:
            `align_corners` is true unless given; RUAS: `denoise` is false for `ruas-upe`, `ruas-dark`).
        part: the network to convert, if the checkpoint contains several.
        dtype: "float16" for a file of half the size.

    Raises:
        UsageError: an unknown model or option, or the checkpoint is unreadable or of another network.
        OSError: reading or writing fails.
    """
    name = network_of(model)
    network = registry.find_network(name)
    output, checkpoint = Path(output), Path(checkpoint)
    if output.suffix != ".safetensors":
        raise UsageError(f"output: must end in .safetensors, got {output}")
    of_model = models()[model].model.options if model in models() else {}
    merged = {**network.options, **network.official, **of_model, **(options or {})}
    module = network.module(merged)
    state = read_checkpoint(checkpoint, part=part)
    try:
        variables = network.convert(state, network.shapes(module))
    except UsageError as error:
        raise UsageError(f"{checkpoint}: {error}") from error
    with open(checkpoint, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    metadata = {
        "network": name,
        "options": merged,
        "licence": f"of the checkpoint; its authors' is {network.licence}",
        "source": {"file": checkpoint.name, "sha256": digest},
    }
    safetensors_io.save_weights(output, variables, metadata, dtype)
    return safetensors_io.read_metadata(output)


def parsed_options(model: str, options: Sequence[str]) -> dict[str, Any]:
    """Parses options NAME=VALUE of a network, or of one of its models, to their types.

    Raises:
        UsageError: an unknown network or option, or a value of another type.
    """
    known = registry.find_network(network_of(model)).options
    parsed = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in known:
            raise unknown("option", name, known)
        kind = type(known[name])
        try:
            parsed[name] = {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
        except (KeyError, ValueError):
            raise UsageError(f"option: {name} must be of type {kind.__name__}, got {value!r}") from None
    return parsed


def import_released(name: str) -> Path:
    """Downloads and converts the authors' checkpoint of the model `name`; returns the weight file in the cache.

    Raises:
        UsageError: the download fails or has the wrong hash (the message says where to put the file by hand), or the
            cache cannot be used.
        OSError: the weight file cannot be written.
    """
    file = models()[name].model.file
    assert file is not None  # as its callers check
    checkpoint = fetch(file)
    output = make_folder(cache_folder()) / f"{name}.safetensors"
    convert_checkpoint(checkpoint, model=name, output=output)
    return output

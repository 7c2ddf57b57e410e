"""Loads models by name, weight file or run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drujax.enhance.conversion import import_released
from drujax.enhance.export.refused import check_exportable
from drujax.enhance.zoo import models
from drujax.errors import UsageError, unknown
from drujax.methods import registry
from drujax.weights import safetensors_io
from drujax.weights.shipped import find
from drujax.weights.torch_names import Variables, check

if TYPE_CHECKING:
    from drujax.methods.spec import EnhancerNetwork


@dataclass(frozen=True)
class Loaded:
    """A loaded network; call `network.enhance(module, variables, images)`."""

    network: "EnhancerNetwork"
    module: Any  # nn.Module
    variables: Variables
    metadata: dict[str, Any]


def load_model(name_or_path: str | Path) -> Loaded:
    """Load the model of a name, file or run (see `resolve`), in float32.

    Raises:
        UsageError: no such model, or its file is damaged, of an unknown network, or does not match it.
    """
    named = models().get(str(name_or_path))
    if named is not None and not named.model.has_weights:
        options = dict(named.model.options)
        return build_model({}, {"network": named.network, "options": options, "licence": named.licence})
    path = resolve(name_or_path)
    variables, metadata = safetensors_io.load_weights(path)
    try:
        return build_model(variables, metadata)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def load_variables(name_or_path: str | Path) -> tuple[Variables, dict[str, Any]]:
    """Load the variables, in float32, and the metadata of a name, file or run (see `resolve`).

    They are those of a network to export. They are not compared with it, and no JAX is imported for weights that ship,
    or that a path names.

    Raises:
        UsageError: no such model, one that is not exported, or its file is damaged.
    """
    check_exportable(str(name_or_path))
    return safetensors_io.load_weights(resolve(name_or_path))


def build_model(variables: Variables, metadata: dict[str, Any]) -> Loaded:
    """Build the network that `metadata` describes (see `drujax.weights.safetensors_io`), with `variables`.

    Raises:
        UsageError: an unknown network or option, or the variables do not match the network.
    """
    try:
        network = registry.find_network(metadata["network"])
    except UsageError as error:
        raise UsageError(f"{error} It may require a newer version of drujax.") from error
    module = network.module(metadata.get("options", {}))
    check(variables, network.shapes(module))
    return Loaded(network, module, variables, metadata)


def resolve(name_or_path: str | Path) -> Path:
    """Return the weight file of a model's name, a path, or a run's folder.

    Weights that the authors of a method have released are downloaded (which prints their licence) and converted once.

    Raises:
        UsageError: an unknown name, a file that does not exist or has another format, a model that is not on this
            machine (the message says how to get it), or one without weights.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if not name:
        raise UsageError("model: must be a name or a path, got ''")
    found = find(name)
    if found is not None:
        return found
    if len(path.parts) == 1 and not path.suffix and name in models():
        if not models()[name].model.has_weights:
            raise UsageError(f"model: {name} has no weights, and so no file")
        if models()[name].model.file is not None:
            return import_released(name)
        raise UsageError(f"model: {name} is not on this machine. {models()[name].obtain}")
    if path.is_dir():
        if not (path / "weights.safetensors").is_file():
            raise UsageError(f"model: no weights.safetensors in folder {name}; a training run writes it at its end")
        return path / "weights.safetensors"
    if path.is_file() and path.suffix != ".safetensors":
        raise UsageError(
            f"model: must be a .safetensors file, got {name}. Convert the checkpoint of another program first: "
            f"drujax convert {name} --model NETWORK -o {path.stem}.safetensors"
        )
    if path.suffix == ".safetensors" or path.is_file() or len(path.parts) > 1:
        if not path.exists():
            raise UsageError(f"model: file not found: {name}")
        return path
    raise unknown("model", name, models())

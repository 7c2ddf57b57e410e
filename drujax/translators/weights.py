"""Loads a translator with its weights: a known file, a checkpoint, or a folder of arrays."""

from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn

from drujax.data.sources import file_hash
from drujax.errors import UsageError, unknown
from drujax.runtime.fingerprint import fingerprint
from drujax.translators import registry
from drujax.translators.spec import TranslatorSpec
from drujax.weights.download import fetch
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import Variables


@dataclass(frozen=True)
class Loaded:
    """A translator with its weights.

    Attributes:
        name: of the translator.
        spec: its description.
        module: its network.
        variables: the weights.
        digest: identifies the weights; the SHA-256 of a file.
        licence: of the weights; None for a user's file.
    """

    name: str
    spec: TranslatorSpec
    module: nn.Module
    variables: Variables
    digest: str
    licence: str | None


def load(name: str, weights: str | Path | None = None) -> Loaded:
    """Loads the translator `name`.

    Args:
        name: of a translator (`drujax.translators.registry`).
        weights: a checkpoint (.pth, .pt, .npz, .safetensors), a folder of .npy files, or the name of one of the
            translator's files, which is downloaded once; None for the first of these.

    Raises:
        UsageError: an unknown name, a file that does not exist, is damaged or of another network, a failed download.
    """
    spec = registry.find(name)
    known = {file.name: file for file in spec.files}
    file = spec.files[0] if weights is None else known.get(str(weights))
    if file is not None:
        path = fetch(file, otherwise=f"--weights=FILE; {spec.obtain}")
    elif not (path := Path(str(weights))).exists():
        raise unknown("weights", str(weights), [*known, "or the path of a checkpoint"])
    try:
        module, variables = spec.load(read_checkpoint(path))
    except UsageError as error:
        raise UsageError(f"{path}: not weights of {name}: {str(error).removeprefix(f'{path}: ')}") from error
    digest = file_hash(path) if path.is_file() else fingerprint(path)
    return Loaded(name, spec, module, variables, digest, file.licence if file else None)

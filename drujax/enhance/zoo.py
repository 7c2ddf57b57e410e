"""The named models of all methods, and the network of each."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drujax.errors import UsageError, unknown
from drujax.methods import registry
from drujax.weights.download import describe

if TYPE_CHECKING:
    from drujax.methods.spec import Model

DEFAULT_MODEL = "exposure-slim"


@dataclass(frozen=True)
class NamedModel:
    """A model, and the method whose network it uses."""

    network: str
    model: "Model"

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        return self.model.licence if self.model.file is None else self.model.file.licence

    @property
    def obtain(self) -> str:
        """How to get the weights, for a user who does not have them."""
        file = self.model.file
        return self.model.obtain if file is None else f"Downloaded when first used: {describe(file)}"


@functools.cache
def models() -> dict[str, NamedModel]:
    """Return all models by name."""
    specs = [(name, registry.find(name)) for name in registry.METHODS]
    return {model.name: NamedModel(name, model) for name, spec in specs for model in spec.models}


def network_of(name: str) -> str:
    """Return the network called `name`, or that of the model called `name`.

    Raises:
        UsageError: it is neither.
    """
    network = models()[name].network if name in models() else name
    if network in registry.networks():
        return network
    raise unknown("model", name, [*registry.networks(), *models()])


def named_models(text: str) -> dict[str, str]:
    """Return the models of `text`, NAME or LABEL=NAME separated by commas, by label; a short name is the default label.

    Raises:
        UsageError: there are no models, or two have the same label.
    """
    given = [name.strip() for name in text.split(",") if name.strip()]
    if not given:
        raise UsageError("--models: give at least one name or path")
    pairs = []
    for name in given:
        label, equals, rest = name.partition("=")
        pairs.append((label, rest) if equals and not Path(name).exists() else (_short(name), name))
    labels = [label for label, _ in pairs]
    pairs = [(label if labels.count(label) == 1 else f"{label} ({name})", name) for label, name in pairs]
    if len(dict(pairs)) < len(pairs):
        raise UsageError("--models: two models have the same label; write LABEL=NAME to distinguish them")
    return dict(pairs)


def _short(name: str) -> str:
    path = Path(name)
    if path.suffix == ".safetensors":
        return path.parent.name if path.stem == "weights" and path.parent.name else path.stem
    return path.name or name

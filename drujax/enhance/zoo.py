"""The named models of all methods, and the network of each."""

import functools
from dataclasses import dataclass

from drujax.errors import unknown
from drujax.methods import registry
from drujax.methods.spec import Model
from drujax.weights.download import describe

DEFAULT_MODEL = "dru-mobilenet-v2"


@dataclass(frozen=True)
class NamedModel:
    """A model, and the method whose network it uses."""

    network: str
    model: Model

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

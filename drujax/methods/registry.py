"""The methods by name. A method is one module with a `SPEC`, and one line in `METHODS`."""

import functools
import importlib
from typing import TYPE_CHECKING

from drujax.errors import UsageError, unknown

if TYPE_CHECKING:
    from drujax.methods.spec import EnhancerNetwork, MethodSpec

# Name -> module, imported on first use.
METHODS = {
    name: f"drujax.methods.{name}"
    for name in (
        "enlightengan",
        "exposure",
        "zero_dce_pp",
        "zero_dce",
        "sci",
        "ruas",
        "ruas_search",
        "clip_lit",
        "zero_ig",
        "colie",
        "pairlie",
        "curve",
    )
}


def find(name: str) -> "MethodSpec":
    """Return the method called `name`. Raises UsageError if it is unknown."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return _load(METHODS[name])


def trained() -> list[str]:
    """Return the names of the methods that can be trained."""
    return [name for name in METHODS if find(name).is_trained]


def find_trained(name: str) -> "MethodSpec":
    """Return the method called `name`. Raises UsageError if it is unknown, or has nothing to train."""
    spec = find(name)
    if not spec.is_trained:
        raise UsageError(f"method: {name} has nothing to train; choose one of {', '.join(trained())}")
    return spec


def find_network(name: str) -> "EnhancerNetwork":
    """Return the enhancement network of the method called `name`. Raises UsageError if there is none."""
    network = find(name).network if name in METHODS else None
    if network is None:
        raise unknown("network", name, networks())
    return network


def networks() -> "dict[str, EnhancerNetwork]":
    """Return all enhancement networks by the name of their method."""
    specs = {name: find(name) for name in METHODS}
    return {name: spec.network for name, spec in specs.items() if spec.network is not None}


@functools.cache
def _load(module: str) -> "MethodSpec":
    return importlib.import_module(module).SPEC

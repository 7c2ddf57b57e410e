"""The translators by name. A translator is one module with a `SPEC`, and one name in `TRANSLATORS`."""

import functools
import importlib

from drujax.errors import unknown
from drujax.translators.spec import TranslatorSpec

# Name -> module, imported on first use.
TRANSLATORS = {name: f"drujax.translators.{name}" for name in ("scenimefy", "cartoongan", "animegan_v2")}


def find(name: str) -> TranslatorSpec:
    """Returns the translator called `name`. Raises UsageError if it is unknown."""
    if name not in TRANSLATORS:
        raise unknown("translator", name, TRANSLATORS)
    return _load(TRANSLATORS[name])


@functools.cache
def _load(module: str) -> TranslatorSpec:
    return importlib.import_module(module).SPEC

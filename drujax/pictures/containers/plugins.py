"""Pillow's plugins for formats that it lacks, which extras of drujax install."""

import importlib
from types import ModuleType

from drujax.errors import UsageError
from drujax.pictures.containers import plain
from drujax.runtime.extras import extra_with

# What plugins raise for damaged files.
DAMAGE = (*plain.DAMAGE, KeyError, MemoryError)


def reason(error: BaseException) -> str:
    """Returns what an error of a plugin says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def plugin(module: str, kind: str) -> ModuleType:
    """Imports a plugin. Raises UsageError if it is not installed, which names its extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{kind} needs {module}: pip install 'drujax[{extra_with(module)}]'") from error

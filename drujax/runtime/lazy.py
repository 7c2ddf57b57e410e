"""Lazily imported public names of a package, so that `import drujax` imports neither JAX nor Flax."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def exports(
    package: str, public: Iterable[str], origins: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` (PEP 562) of a package.

        __getattr__, __dir__ = exports(__name__, __all__, {"io": ["read_picture", "write_picture"]})

    Args:
        package: its `__name__`.
        public: its `__all__`.
        origins: module below the package -> the public names that it defines, none of which may be that of a module.
            The other public names are modules and packages.
    """
    home = {name: module for module, names in origins.items() for name in names}
    names = frozenset(public)

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        module = importlib.import_module(f"{package}.{home.get(name, name)}")
        value = getattr(module, name) if name in home else module
        setattr(sys.modules[package], name, value)  # later accesses bypass this function
        return value

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return get, list_names

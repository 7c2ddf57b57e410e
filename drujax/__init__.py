"""drujax: brightens under-lit anime scenery, and trains the networks that do it."""

from typing import TYPE_CHECKING

from drujax.runtime.version import __version__

__all__ = ["Enhancer", "__version__"]

if TYPE_CHECKING:
    from drujax.enhance.enhancer import Enhancer


def __getattr__(name: str):
    """Imports jax only for those who enhance."""
    if name == "Enhancer":
        from drujax.enhance.enhancer import Enhancer

        return Enhancer
    raise AttributeError(f"module 'drujax' has no attribute {name!r}")

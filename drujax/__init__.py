"""drujax: brightens under-lit anime scenery, and trains the networks that do it."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Enhancer"]

if TYPE_CHECKING:
    from drujax.enhance import Enhancer


def __getattr__(name: str):
    """Imports jax only for those who enhance."""
    if name == "Enhancer":
        from drujax.enhance import Enhancer

        return Enhancer
    raise AttributeError(f"module 'drujax' has no attribute {name!r}")

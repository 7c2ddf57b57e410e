"""Brightening: models by name, the enhancer, files and folders."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.files import enhance_files
    from drujax.enhance.listing import list_models
    from drujax.enhance.loading import load_model
    from drujax.enhance.plan import plan_jobs
    from drujax.enhance.strength import darkness

__all__ = [
    "Enhancer",
    "darkness",
    "enhance_files",
    "list_models",
    "load_model",
    "plan_jobs",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "enhancer": ["Enhancer"],
        "files": ["enhance_files"],
        "listing": ["list_models"],
        "loading": ["load_model"],
        "plan": ["plan_jobs"],
        "strength": ["darkness"],
    },
)

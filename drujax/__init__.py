"""drujax: brightens under-lit anime scenery, and trains the networks that do it.

    import drujax

    picture = drujax.read_picture("dark.png")
    drujax.write_picture("bright.png", drujax.Enhancer().picture(picture))

Names and subpackages are imported on first use.
"""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports
from drujax.runtime.version import __version__

if TYPE_CHECKING:
    from drujax import (
        console,
        data,
        enhance,
        errors,
        losses,
        methods,
        metrics,
        models,
        pictures,
        runtime,
        score,
        training,
        translators,
        uncertainty,
        weights,
    )
    from drujax.enhance.enhancer import Enhancer
    from drujax.enhance.loading import load_model
    from drujax.errors import UsageError
    from drujax.pictures.io import read_picture, write_picture
    from drujax.pictures.picture import Picture

__all__ = [
    "Enhancer",
    "Picture",
    "UsageError",
    "__version__",
    "console",
    "data",
    "enhance",
    "errors",
    "load_model",
    "losses",
    "methods",
    "metrics",
    "models",
    "pictures",
    "read_picture",
    "runtime",
    "score",
    "training",
    "translators",
    "uncertainty",
    "weights",
    "write_picture",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "enhance.enhancer": ["Enhancer"],
        "enhance.loading": ["load_model"],
        "errors": ["UsageError"],
        "pictures.io": ["read_picture", "write_picture"],
        "pictures.picture": ["Picture"],
    },
)

"""Weight files: drujax's own (safetensors), those of other programs, downloads."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.weights.download import fetch
    from drujax.weights.formats.readers import read_checkpoint
    from drujax.weights.safetensors_io import load_weights, read_metadata, save_weights
    from drujax.weights.torch_names import from_torch, to_torch

__all__ = [
    "fetch",
    "from_torch",
    "load_weights",
    "read_checkpoint",
    "read_metadata",
    "save_weights",
    "to_torch",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "download": ["fetch"],
        "formats.readers": ["read_checkpoint"],
        "safetensors_io": ["load_weights", "read_metadata", "save_weights"],
        "torch_names": ["from_torch", "to_torch"],
    },
)

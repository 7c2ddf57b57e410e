"""The methods, one file each, with its loss, options, recipe and presets; and the table of them."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.methods import registry
    from drujax.methods.config import TrainConfig, preset_config
    from drujax.methods.single_network import EnhancerMethod, SingleNetworkMethod
    from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset

__all__ = [
    "EnhancerMethod",
    "EnhancerNetwork",
    "MethodSpec",
    "Model",
    "Preset",
    "SingleNetworkMethod",
    "TrainConfig",
    "preset_config",
    "registry",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "config": ["TrainConfig", "preset_config"],
        "single_network": ["EnhancerMethod", "SingleNetworkMethod"],
        "spec": ["EnhancerNetwork", "MethodSpec", "Model", "Preset"],
    },
)

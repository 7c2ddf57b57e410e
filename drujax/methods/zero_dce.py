"""Zero-DCE, the predecessor of Zero-DCE++: plain convolutions, and a curve of its own for each of eight iterations.

Official recipe: that of Zero-DCE++ (`drujax.methods.zero_dce_pp`), but images resized to 256x256, 200 epochs (the
released weights are those after the 100th), initial kernels N(0, 0.02), and a smoothness weight of 200. As there, dark
and bright images are its multiple exposures, and each batch has as many of either.

With data uncertainty, RP_d weights all terms of a dark image and RP_b those of a bright one (docs/method.md).
"""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from drujax.methods.config import TrainConfig
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.methods.zero_dce_pp import ZeroDCEpp
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.zero_dce import ZeroDCE as Network
from drujax.runtime.remote_file import github_file
from drujax.training.recipe import Recipe
from drujax.training.state import Variables


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroDCE(ZeroDCEpp):
    """The method (see `drujax.training.method.Method`), which has Zero-DCE++'s losses and optimiser."""

    smoothness_weight: ClassVar[float] = 200.0

    @property
    def network(self) -> Network:
        return Network(self.features)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme(normal=True))

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "zero_dce", {"features": self.features}


def build(config: TrainConfig, learning_rate: optax.Schedule | float) -> ZeroDCE:
    """Return the method of a configuration."""
    return ZeroDCE(learning_rate, config.recipe.ema_decay, form=config.recipe.loss_form)


SPEC = MethodSpec(
    summary="Zero-DCE: zero-reference curve estimation, the first version (Guo et al., CVPR 2020)",
    build=build,
    recipe=Recipe(
        size=256, view="whole", flips=False, batch_size=4, constant_epochs=200, decay_epochs=0, learning_rate=1e-4
    ),
    presets={
        "laptop": Preset({"size": 128, "steps": 2000, "learning_rate": 5e-4}),
        "embedded": Preset({"size": 96, "steps": 600, "learning_rate": 1e-3}),
    },
    network=EnhancerNetwork(
        summary="Zero-DCE's curve estimation (79,416 parameters)",
        build=Network,
        run=first_output,
        options={"features": 32},
        licence="CC-BY-NC-4.0",
    ),
    models=(
        Model(
            "zero-dce",
            "Zero-DCE's released weights",
            file=github_file(
                "zero-dce-official",
                "Zero-DCE's released Epoch99.pth",
                "Li-Chongyi/Zero-DCE",
                "e0f4adc54d0f23348c4a9b84acc08fe8778d5bfd",
                "Zero-DCE_code/snapshots/Epoch99.pth",
                "zero_dce_Epoch99.pth",
                licence="CC-BY-NC-4.0",
                size=320_017,
                sha256="a4395acb874f320375d9704997cef874eaaaaa26a1777ceb29a92b70f74c3612",
            ),
        ),
    ),
    epoch="all",
    min_size=16,
)

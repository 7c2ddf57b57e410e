"""Zero-DCE++, trained on dark and bright images together as its multiple exposures.

Official recipe: Adam 1e-4 with weight decay 1e-4 and gradients clipped to norm 0.1, batches of 8, 100 epochs, images
resized to 512x512, curves estimated at full size (ratio 1; 12 in its test).

With data uncertainty, RP_d weights all terms of a dark image and RP_b those of a bright one (docs/method.md).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.losses import zero_dce_pp
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.zero_dce_pp import ZeroDCEpp as Network
from drujax.runtime.remote_file import github_file
from drujax.training.batch import Batch, Weights, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables

TEST_RATIO = 12


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroDCEpp(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # See `drujax.losses.zero_dce_pp`.
    form: Literal["official", "paper"] = "official"
    # Channels of the inner layers.
    features: int = 32

    smoothness_weight: ClassVar[float] = 1600.0

    @property
    def optimiser(self) -> optax.GradientTransformation:
        # PyTorch's Adam adds the weight decay to the clipped gradient.
        return optax.chain(
            optax.clip_by_global_norm(0.1), optax.add_decayed_weights(1e-4), optax.adam(self.learning_rate)
        )

    @property
    def network(self) -> nn.Module:
        return Network(ratio=1, features=self.features)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme())

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Returns the weighted mean over all images of the batch, dark and bright."""
        del state, frozen
        images = jnp.concatenate(unit_images(batch))
        enhanced, curve = apply(self.network, {"params": variables["params"]}, images)
        total, terms = zero_dce_pp.total(
            images, enhanced, curve, smoothness_weight=self.smoothness_weight, form=self.form
        )
        loss = (jnp.concatenate(weights) * total).mean()
        return loss, (None, {name: term.mean() for name, term in terms.items()})

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "zero_dce_pp", {"ratio": TEST_RATIO, "features": self.features}


def build(config: TrainConfig, learning_rate: optax.Schedule | float) -> ZeroDCEpp:
    """Return the method of a configuration."""
    return ZeroDCEpp(learning_rate, config.recipe.ema_decay, form=config.recipe.loss_form)


def _run_tile(network: Network, images: Float[Array, "b h w 3"], inputs: Mapping[str, Any]) -> Any:
    enhanced, _ = network(images, (inputs["rows"], inputs["columns"]))
    return enhanced


SPEC = MethodSpec(
    summary="Zero-DCE++: zero-reference curve estimation (Li et al., TPAMI 2021)",
    build=build,
    recipe=Recipe(
        size=512, view="whole", flips=False, batch_size=4, constant_epochs=100, decay_epochs=0, learning_rate=1e-4
    ),
    presets={
        "laptop": Preset({"size": 128, "steps": 2000, "learning_rate": 5e-4}),
        "embedded": Preset({"size": 96, "steps": 600, "learning_rate": 1e-3}),
    },
    network=EnhancerNetwork(
        summary="Zero-DCE++'s curve estimation (10,561 parameters)",
        build=Network,
        run=first_output,
        run_tile=_run_tile,
        options={"ratio": TEST_RATIO, "features": 32, "crop": False},
        licence="CC-BY-NC-4.0",
    ),
    models=(
        Model(
            "zero-dce-pp",
            "Zero-DCE++'s released weights",
            file=github_file(
                "zero-dce-pp-official",
                "Zero-DCE_extension's released Epoch99.pth",
                "Li-Chongyi/Zero-DCE_extension",
                "99ab5265054f685c874da58033ece00579514425",
                "Zero-DCE++/snapshots_Zero_DCE++/Epoch99.pth",
                "zero_dce_pp_Epoch99.pth",
                licence="CC-BY-NC-4.0",
                size=52_395,
                sha256="ca8855b90df9a80fa4195a831f33d3476b1964f787eb70602797c773067f3b84",
            ),
        ),
    ),
    epoch="all",
    min_size=16,
)

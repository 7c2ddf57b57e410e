"""SCI (Ma et al., CVPR 2022): three stages with shared weights learn from dark images alone; one stage enhances.

Official recipe: Adam 3e-4 with weight decay 3e-4 and gradients clipped to norm 5, one image per step, 1000 epochs. The
official code takes whole images of any size; drujax crops them, so that images can be batched and one program compiled.

With data uncertainty, RP_d weights the loss of each image (docs/method.md).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.losses import retinex
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.sci import SCI as Network
from drujax.runtime.remote_file import github_file
from drujax.training.batch import Batch, Weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables
from drujax.weights.torch_names import from_torch, unwrapped


@dataclasses.dataclass(frozen=True, eq=False)
class SCI(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # See `drujax.losses.retinex`.
    form: retinex.Form = "official"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        # PyTorch's Adam adds the weight decay to the clipped gradient.
        return optax.chain(
            optax.clip_by_global_norm(5.0), optax.add_decayed_weights(3e-4), optax.adam(self.learning_rate)
        )

    def initial(self, key: Key[Array, ""]) -> Variables:
        scheme = Scheme(normal=True, zero_biases=True)
        return initial_variables(Network(), key, jnp.zeros((1, 16, 16, 3)), scheme=scheme, method="stages", train=True)

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Returns the weighted mean, over the dark images, of the sum of the stages' losses."""
        del state, frozen
        dark, _ = unit_images(batch)
        stages, new = apply(Network(), variables, dark, method="stages", train=True, mutable=["batch_stats"])
        terms = [retinex.sci_stage(stage.input, stage.illumination, form=self.form) for stage in stages]
        return (weights.dark * sum(terms)).mean(), (
            new["batch_stats"],
            {"luma_enhanced": mean_luma(stages[0].reflectance)},
        )

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "sci", {}

    def export(self, state: TrainState) -> tuple[Variables, dict[str, Any]]:
        """Returns one stage, without the calibration network."""
        variables, metadata = super().export(state)
        return {kind: {"enhance": of_kind["enhance"]} for kind, of_kind in variables.items()}, metadata


def build(config: TrainConfig, learning_rate: optax.Schedule | float) -> SCI:
    """Return the method of a configuration."""
    return SCI(learning_rate, config.recipe.ema_decay, form=config.recipe.loss_form)


def _convert(state: Mapping[str, Any], shapes: Mapping[str, Any]) -> Variables:
    """Drops what only training uses, and the duplicate names of shared blocks."""
    names = unwrapped(state)
    return from_torch({n: names[n] for n in names if not n.startswith("calibrate.") and ".blocks." not in n}, shapes)


def _released(level: str, sha256: str) -> Model:
    path = f"weights/{level}.pt"
    what = f"SCI's released {level}.pt"
    repository = "vis-opt-group/SCI"
    file = github_file(
        f"sci-{level}-official",
        what,
        repository,
        "main",
        path,
        f"sci_{level}.pt",
        licence="MIT",
        size=43_967,
        sha256=sha256,
    )
    return Model(f"sci-{level}", f"SCI's weights for {level} pictures", file=file)


SPEC = MethodSpec(
    summary="SCI: self-calibrated illumination (Ma et al., CVPR 2022)",
    build=build,
    recipe=Recipe(flips=False, batch_size=1, constant_epochs=1000, decay_epochs=0, learning_rate=3e-4),
    presets={
        "laptop": Preset({"size": 256, "steps": 4000}),
        "embedded": Preset({"size": 96, "steps": 1200, "learning_rate": 1e-3}),
    },
    network=EnhancerNetwork(
        summary="SCI's illumination estimation (258 parameters)",
        build=Network,
        run=first_output,
        options={},
        licence="MIT",
        convert=_convert,
    ),
    models=(
        _released("easy", "b17326a26a93bf187ecbab217f9d3c57467a8b56020d4d9ff600ba257bbffb36"),
        _released("medium", "4ff1e7e66e8f18114f790e5085ca4c936f0858e329e7ad1cb65b8aa09a9c6916"),
        _released("difficult", "657fa1f280cae1035df0d5cbe628e91f2d0f28660df608a3fa3f7e9a71da5a13"),
    ),
    epoch="dark",
    min_size=3,
)

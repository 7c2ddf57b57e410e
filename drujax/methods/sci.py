"""SCI as a method: three stages that share their networks learn from dark pictures alone; one stage enhances.

Official recipe: Adam 3e-4 with weight decay 3e-4 and gradients clipped to norm 5, one picture a step, 1000 epochs. The
official code takes whole pictures of any size; here they are crops, so that batches are possible and one program is
compiled.

With data uncertainty, RP_d weights the loss of each picture (docs/method.md).
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.losses import retinex
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.sci import SCI as Network
from drujax.training.batch import Batch, Weights, mean_luma, pictures
from drujax.training.state import TrainState, Variables


@dataclasses.dataclass(frozen=True, eq=False)
class SCI(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # See `drujax.losses.retinex`.
    form: retinex.Form = "official"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        # PyTorch's Adam adds the decay to the gradient, after it was clipped.
        return optax.chain(
            optax.clip_by_global_norm(5.0), optax.add_decayed_weights(3e-4), optax.adam(self.learning_rate)
        )

    def initial(self, key: Key[Array, ""]) -> Variables:
        scheme = Scheme(normal=True, zero_biases=True)
        return initial_variables(Network(), key, jnp.zeros((1, 16, 16, 3)), scheme=scheme, method="stages", train=True)

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """The weighted mean over the dark pictures of what the stages add up to."""
        del state
        dark, _ = pictures(batch)
        stages, new = apply(Network(), variables, dark, method="stages", train=True, mutable=["batch_stats"])
        terms = [retinex.sci_stage(stage.seen, stage.illumination, form=self.form) for stage in stages]
        return (weights.dark * sum(terms)).mean(), (
            new["batch_stats"],
            {"luma_enhanced": mean_luma(stages[0].reflectance)},
        )

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "sci", {}

    def export(self, state: TrainState) -> tuple[Variables, dict[str, Any]]:
        """The network that enhances: one stage, without what calibrated the others."""
        variables, metadata = super().export(state)
        return {kind: {"enhance": of_kind["enhance"]} for kind, of_kind in variables.items()}, metadata

"""Zero-DCE++ as a method: dark and bright pictures together are the many exposures that it learns from.

Official recipe: Adam 1e-4 with weight decay 1e-4 and gradients clipped to norm 0.1, batches of 8, 100 epochs, pictures
resized to 512x512, curves estimated at full size (ratio 1; 12 in its test).

With data uncertainty, RP_d weights all terms of a dark picture and RP_b those of a bright one (docs/method.md).
"""

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.losses import zero_dce_pp
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.zero_dce_pp import ZeroDCEpp as Network
from drujax.training.batch import Batch, Weights, pictures
from drujax.training.state import TrainState, Variables

TEST_RATIO = 12


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroDCEpp(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # See `drujax.losses.zero_dce_pp`.
    form: Literal["official", "paper"] = "official"
    # Channels of the inner layers.
    features: int = 32

    @property
    def optimiser(self) -> optax.GradientTransformation:
        # PyTorch's Adam adds the decay to the gradient, after it was clipped.
        return optax.chain(
            optax.clip_by_global_norm(0.1), optax.add_decayed_weights(1e-4), optax.adam(self.learning_rate)
        )

    @property
    def network(self) -> Network:
        return Network(ratio=1, features=self.features)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme())

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """The weighted mean over all pictures of the batch, dark and bright."""
        del state
        images = jnp.concatenate(pictures(batch))
        enhanced, curve = apply(self.network, {"params": variables["params"]}, images)
        total, terms = zero_dce_pp.total(images, enhanced, curve, form=self.form)
        loss = (jnp.concatenate(weights) * total).mean()
        return loss, (None, {name: term.mean() for name, term in terms.items()})

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "zero_dce_pp", {"ratio": TEST_RATIO, "features": self.features}

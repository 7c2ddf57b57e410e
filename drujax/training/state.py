"""Training state: a pytree of arrays only, so that it can be donated, sharded and checkpointed as a whole."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Int

Variables = dict[str, Any]  # "params" and "batch_stats" (if the network has any)


@struct.dataclass
class ModelState:
    """One network and its optimiser."""

    params: Any
    batch_stats: Any  # {} for networks without batch normalisation
    opt_state: optax.OptState

    @classmethod
    def create(cls, variables: Mapping[str, Any], optimiser: optax.GradientTransformation) -> "ModelState":
        params = variables["params"]
        return cls(params, variables.get("batch_stats", {}), optimiser.init(params))

    @property
    def variables(self) -> Variables:
        return {"params": self.params, "batch_stats": self.batch_stats}

    def updated(self, gradients: Any, optimiser: optax.GradientTransformation, batch_stats: Any = None) -> "ModelState":
        """Applies one optimiser step; `batch_stats`, if given, replace the old ones."""
        updates, opt_state = optimiser.update(gradients, self.opt_state, self.params)
        stats = self.batch_stats if batch_stats is None else batch_stats
        return ModelState(optax.apply_updates(self.params, updates), stats, opt_state)


@struct.dataclass
class TrainState:
    """State of a run that trains one network."""

    step: Any  # Int[Array, ""], completed steps (Any, since shardings and shapes take the arrays' place too)
    key: Any  # UInt32[Array, "k"], root of all randomness; step k uses fold_in(key, k)
    model: ModelState
    ema: Any  # Variables | None, exponential moving average of the model's variables, if enabled


def step_key(state: TrainState) -> jax.Array:
    """Returns the random key of the next step, so that a resumed run draws the same as an uninterrupted one."""
    return jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)


def moving_average(
    average: Variables | None, new: Variables, step: Int[Array, ""], decay: float | None
) -> Variables | None:
    """Updates an exponential moving average after step `step` (0-based); None stays None.

    The decay starts low and rises to `decay`, so that the initial weights are forgotten quickly.
    """
    if average is None or decay is None:
        return average
    weight = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, now: old + weight.astype(now.dtype) * (now - old), average, new)

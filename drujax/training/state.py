"""The state of a training run: arrays only, so that it can be donated, sharded and saved whole."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Int

Variables = dict[str, Any]  # "params" and, where a network has any, "batch_stats"


@struct.dataclass
class ModelState:
    """One network and its optimiser."""

    params: Any
    batch_stats: Any  # {} for networks without
    opt_state: optax.OptState

    @classmethod
    def create(cls, variables: Mapping[str, Any], optimiser: optax.GradientTransformation) -> "ModelState":
        params = variables["params"]
        return cls(params, variables.get("batch_stats", {}), optimiser.init(params))

    @property
    def variables(self) -> Variables:
        return {"params": self.params, "batch_stats": self.batch_stats}

    def updated(self, gradients: Any, optimiser: optax.GradientTransformation, batch_stats: Any = None) -> "ModelState":
        """One step of the optimiser; `batch_stats` replace the old ones where they are given."""
        updates, opt_state = optimiser.update(gradients, self.opt_state, self.params)
        stats = self.batch_stats if batch_stats is None else batch_stats
        return ModelState(optax.apply_updates(self.params, updates), stats, opt_state)


@struct.dataclass
class TrainState:
    """What a run of one network carries from step to step."""

    step: Any  # Int[Array, ""], steps done (Any: shardings and shapes take the arrays' places too)
    key: Any  # UInt32[Array, "k"], root of all randomness; step k uses fold_in(key, k)
    model: ModelState
    ema: Any  # Variables | None, exponential moving average of the model's variables, where it is asked for


def step_key(state: TrainState) -> jax.Array:
    """The key of the step to come: a resumed run draws what the uninterrupted one would have."""
    return jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)


def moving_average(
    average: Variables | None, new: Variables, step: Int[Array, ""], decay: float | None
) -> Variables | None:
    """The average after step `step` (from 0); None where there is none. Young averages forget faster, so that the
    initial weights fade.
    """
    if average is None or decay is None:
        return average
    share = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, now: old + share.astype(now.dtype) * (now - old), average, new)

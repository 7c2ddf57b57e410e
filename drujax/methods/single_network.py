"""Base classes of methods that train one network, which then define little more than a loss."""

import abc
import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, UInt8

from drujax.methods.registry import find_network
from drujax.training.batch import Batch, Probabilities, Weights, example_weights
from drujax.training.state import ModelState, TrainState, Variables, moving_average

Metrics = dict[str, Float[Array, ""]]


def apply(network: nn.Module, variables: Variables, *inputs: Array, **options: Any) -> Any:
    """Return `network.apply(variables, *inputs, **options)`, whose type depends on `options`."""
    return network.apply(variables, *inputs, **options)


@dataclasses.dataclass(frozen=True, eq=False)
class EnhancerMethod(abc.ABC):
    """A method whose enhancement network is in `drujax.methods.registry`."""

    # A number, or a schedule by completed steps.
    learning_rate: optax.Schedule | float = 1e-4
    # Decay of the moving average that `export` returns; None exports the weights themselves.
    ema_decay: float | None = None

    @property
    @abc.abstractmethod
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        """The name and the options of the enhancement network."""

    def export(self, state: TrainState) -> tuple[Variables, dict[str, Any]]:
        """Return the variables of the enhancement network, or their moving average, and its metadata."""
        name, options = self.enhancer
        variables = state.ema or state.model.variables
        return {k: v for k, v in variables.items() if v}, {"network": name, "options": options}

    def preview(
        self, state: TrainState, images: UInt8[Array | np.ndarray, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], ...]:
        """Return the enhanced images."""
        name, options = self.enhancer
        network = find_network(name)
        enhanced = network.enhance(
            network.module(options), self.export(state)[0], jnp.asarray(images, jnp.float32) / 255
        )
        return (jnp.clip(enhanced, 0, 1),)


@dataclasses.dataclass(frozen=True, eq=False)
class SingleNetworkMethod(EnhancerMethod):
    """Base of a method (see `drujax.training.method.Method`) that trains one network with one loss."""

    @property
    @abc.abstractmethod
    def optimiser(self) -> optax.GradientTransformation: ...

    @abc.abstractmethod
    def initial(self, key: Key[Array, ""]) -> Variables:
        """The network's variables before the first step."""

    @abc.abstractmethod
    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Return the loss, with examples weighted inside the batch mean; and the new batch statistics (or None) and
        further metrics. Randomness comes from `step_key(state)`.
        """

    @property
    def frozen(self) -> Variables:
        return {}

    def init(self, key: Key[Array, ""]) -> TrainState:
        network, later = jax.random.split(key)
        model = ModelState.create(self.initial(network), self.optimiser)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            key=jax.random.key_data(later),
            model=model,
            ema=None if self.ema_decay is None else jax.tree.map(jnp.copy, model.variables),
        )

    def step(
        self, state: TrainState, batch: Batch, rp: Probabilities | None, frozen: Any
    ) -> tuple[TrainState, Metrics]:
        """Updates the network."""
        weights = example_weights(batch, rp)

        def loss_of(params):
            variables = {"params": params, "batch_stats": state.model.batch_stats}
            return self.loss(variables, batch, weights, state, frozen)

        (loss, (batch_stats, metrics)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.model.params)
        model = state.model.updated(gradients, self.optimiser, batch_stats)
        ema = moving_average(state.ema, model.variables, state.step, self.ema_decay)
        finite = jnp.isfinite(loss + optax.tree.norm(gradients)).astype(jnp.float32)
        shown = {"rp_dark": weights.dark.mean(), "rp_bright": weights.bright.mean(), "finite": finite}
        return dataclasses.replace(state, step=state.step + 1, model=model, ema=ema), {
            "loss": loss,
            **metrics,
            **shown,
        }

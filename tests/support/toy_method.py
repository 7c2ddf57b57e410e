"""A method in one file: a gain for each colour channel learns to bring the mean of dark images to a target."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset
from drujax.training.batch import Batch, Weights, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables


class Gain(nn.Module):
    """Multiplies images b h w 3 by a gain for each channel."""

    @nn.compact
    def __call__(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        return images * self.param("gain", nn.initializers.constant(2.0), (3,))


@dataclasses.dataclass(frozen=True, eq=False)
class Toy(SingleNetworkMethod):
    """The method."""

    target: float = 0.5

    @property
    def optimiser(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return {"params": {"gain": jnp.full(3, 2.0)}}

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        del state, frozen
        dark, _ = unit_images(batch)
        enhanced = apply(Gain(), {"params": variables["params"]}, dark)
        return (weights.dark * (enhanced.mean((1, 2, 3)) - self.target) ** 2).mean(), (None, {})

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "toy", {}


@dataclasses.dataclass(frozen=True)
class Options:
    """Toy's own options."""

    # Mean of the enhanced images, 0..1.
    target: float = 0.5


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of Toy."""

    # The target.
    toy: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> Toy:
    """Return the method of a configuration."""
    return Toy(learning_rate, config.recipe.ema_decay, target=config.toy.target)


SPEC = MethodSpec(
    summary="Toy: one gain for each colour",
    build=build,
    recipe=Recipe(size=32, batch_size=2, learning_rate=0.1),
    presets={"debug": Preset({"size": 16}, {"target": 0.6})},
    config=Config,
    network=EnhancerNetwork(
        summary="Toy's gains", build=Gain, run=lambda module, x: module(x), options={}, licence="MIT"
    ),
    models=(Model("toy", "Toy's weights", "Train it: python -m experiments.train --method=toy"),),
    epoch="dark",
)

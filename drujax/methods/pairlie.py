"""PairLIE (Fu et al., CVPR 2023): the reflectance of a scene is what two exposures of it share.

Official recipe: Adam 1e-4, halved each 100 of 400 epochs; one pair of 128x128 crops per step, without flips.

Its training set holds several photographs of each scene, of different exposure, which unpaired images do not have. So
drujax makes each pair from one dark image: it divides it by two random factors and rounds both to 8 bits, as in files.
That keeps what the loss rests on, one reflectance under two illuminations, but not the two exposures' own noise: the
consistency of the reflectances teaches less about removing noise than it does in the official training.

With data uncertainty, RP_d weights all terms of a pair (docs/method.md).
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.errors import UsageError
from drujax.losses import pairlie
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.pairlie import PairLIE as Network
from drujax.runtime.remote_file import github_file
from drujax.training.batch import Batch, Weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables, step_key


@dataclasses.dataclass(frozen=True, eq=False)
class PairLIE(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # Largest factor by which an exposure is darker than the image.
    max_darkening: float = 4.0
    # Channels of the inner layers.
    features: int = 64

    @property
    def optimiser(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    @property
    def network(self) -> Network:
        return Network(features=self.features)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme())

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Returns the weighted mean over the dark images, each of them a pair of exposures."""
        del frozen
        dark, _ = unit_images(batch)
        image, darker = exposures(dark, step_key(state), self.max_darkening)
        params = {"params": variables["params"]}
        enhanced, one = apply(self.network, params, image)
        _, other = apply(self.network, params, darker)
        total, terms = pairlie.total(image, one, other.reflectance)
        metrics = {name: term.mean() for name, term in terms.items()}
        return (weights.dark * total).mean(), (None, {**metrics, "luma_enhanced": mean_luma(enhanced)})

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "pairlie", {"exponent": 0.2, "features": self.features}


def exposures(images: Float[Array, "b h w 3"], key: Key[Array, ""], max_darkening: float) -> Float[Array, "2 b h w 3"]:
    """Draws two exposures of each image in [0, 1]: x / t rounded to 8 bits, log t uniform on [0, log max_darkening]."""
    log_t = jax.random.uniform(key, (2, len(images), 1, 1, 1), maxval=math.log(max_darkening))
    return jnp.round(255 * images * jnp.exp(-log_t)) / 255


@dataclasses.dataclass(frozen=True)
class Options:
    """PairLIE's own options."""

    # Largest factor by which an exposure of a pair is darker than the dark image that it is made from.
    max_darkening: float = 4.0

    def __post_init__(self):
        if not 1 < self.max_darkening < math.inf:
            raise UsageError(f"max_darkening: must be > 1 and finite, got {self.max_darkening}")


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of PairLIE."""

    # The pairs of PairLIE.
    pairlie: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> PairLIE:
    """Return the method of a configuration."""
    return PairLIE(learning_rate, config.recipe.ema_decay, max_darkening=config.pairlie.max_darkening)


SPEC = MethodSpec(
    summary="PairLIE: Retinex decomposition learned from two exposures of a scene (Fu et al., CVPR 2023)",
    build=build,
    recipe=Recipe(size=128, flips=False, batch_size=1, constant_epochs=400, decay_epochs=0, learning_rate=1e-4),
    presets={
        "laptop": Preset({"steps": 4000, "learning_rate": 3e-4}),
        "embedded": Preset({"size": 64, "steps": 1200, "learning_rate": 1e-3}),
    },
    config=Config,
    network=EnhancerNetwork(
        summary="PairLIE's three networks (341,767 parameters)",
        build=Network,
        run=first_output,
        options={"exponent": 0.2, "features": 64},
        licence="none stated",
    ),
    models=(
        Model(
            "pairlie",
            "PairLIE's released weights",
            file=github_file(
                "pairlie-official",
                "PairLIE's released PairLIE.pth",
                "zhenqifu/PairLIE",
                "3fd5c1586aa5f8f0736382de36d5bf46a4e208c2",
                "weights/PairLIE.pth",
                "PairLIE.pth",
                licence="none stated",
                size=1_377_483,
                sha256="e223ec9e66504550e69f65b631ce520be9b5c4e8e0aba882768d06af355b0631",
            ),
        ),
    ),
    epoch="dark",
    halve_every=100,
    min_size=3,
)

"""Exposure reconstruction: a self-supervised warm start for EnlightenGAN's generator. Not part of the paper.

A bright image is darkened by a known amount, and the generator learns to restore it. That teaches it what adversarial
training finds slowly: how much to brighten a dark image, to leave a bright one unchanged, and to preserve colours and
edges. `experiments.train --method=exposure` trains it, `--init=RUN/weights.safetensors` of an
EnlightenGAN run starts from it.

With data uncertainty, RP_b weights the loss of each bright image; dark images are not used.
"""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, UInt8

from drujax.errors import UsageError, check_at_least
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod
from drujax.methods.spec import MethodSpec, Preset
from drujax.models.generator import Generator, attention_map
from drujax.models.layers.initialise import official
from drujax.training.batch import Batch, Weights, prepare
from drujax.training.samples import preview_generator
from drujax.training.state import TrainState, Variables, step_key


@dataclasses.dataclass(frozen=True)
class Darkening:
    """Random darkening, sampled per image.

    An image x in [0, 1] becomes x^gamma / t, rounded to 8 bits as in a file. gamma is uniform over [1, max_gamma], and
    log t over [0, log max_darkening], plus a smooth field that leaves some regions bright and others dark, as lamps and
    windows do: without it the network learns that a bright region means a bright image, and leaves dark discs around
    lights. Some images are not darkened, so that the network learns to leave them unchanged.
    """

    max_darkening: float = 12.0
    max_gamma: float = 1.5
    # Largest amplitude of the field in log t; the amplitude per image is uniform from 0. With 0, darkening is even.
    max_unevenness: float = 1.5
    # Fraction of the images that are not darkened.
    unchanged: float = 0.2

    def __call__(self, images: Float[Array, "b h w 3"], key: Key[Array, ""]) -> Float[Array, "b h w 3"]:
        """Darken images b h w 3 in [-1, 1]."""
        b, h, w, _ = images.shape
        keys = jax.random.split(key, 5)
        limit = jnp.log(self.max_darkening)
        log_t = jax.random.uniform(keys[0], (b, 1, 1, 1), maxval=limit)
        amplitude = jax.random.uniform(keys[1], (b, 1, 1, 1), maxval=self.max_unevenness)
        knots = jax.random.uniform(keys[2], (b, 4, 4, 1), minval=-1.0)
        log_t = jnp.clip(log_t + amplitude * jax.image.resize(knots, (b, h, w, 1), "cubic"), 0, limit)
        gamma = jax.random.uniform(keys[3], (b, 1, 1, 1), minval=1.0, maxval=self.max_gamma)
        dark = jnp.round(((images + 1) / 2) ** gamma * jnp.exp(-log_t) * 255) / 127.5 - 1
        return jnp.where(jax.random.uniform(keys[4], (b, 1, 1, 1)) < self.unchanged, images, dark)


def reconstruct(
    generator: Generator,
    variables: Variables,
    truth: Float[Array, "b h w 3"],
    darkened: Float[Array, "b h w 3"],
    weights: Float[Array, " b"],
    *,
    train: bool,
) -> tuple[Float[Array, ""], Any]:
    """Return the weighted mean absolute error of restoring darkened bright images, and the new batch statistics.

    Images are in [-1, 1].
    """
    (restored, _), new = generator.apply(
        variables, darkened, attention_map(darkened), train=train, mutable=["batch_stats"]
    )
    difference = jnp.abs(restored - truth).mean((1, 2, 3))
    return (weights * difference).mean(), new["batch_stats"]


@dataclasses.dataclass(frozen=True, eq=False)
class Exposure(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    darkening: Darkening = Darkening()
    # See `Generator`.
    align_corners: bool = False
    width: int = 32
    # The generator normalises by its running statistics and does not update them.
    frozen_batch_norm: bool = False
    compute_dtype: jnp.dtype | None = None

    @property
    def network(self) -> Generator:
        return Generator(self.align_corners, width=self.width, dtype=self.compute_dtype)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate, b1=0.9, b2=0.999, eps=1e-8)

    def initial(self, key: Key[Array, ""]) -> Variables:
        image = jnp.zeros((1, 32, 32, 3))
        return official(self.network, key, image, image[..., :1], train=True)

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Weights the bright images by RP_b, and does not use the dark ones."""
        truth = prepare(batch).bright
        darkened = self.darkening(truth, step_key(state))
        train = not self.frozen_batch_norm
        loss, batch_stats = reconstruct(self.network, variables, truth, darkened, weights.bright, train=train)
        return loss, (batch_stats, {"difference_before": jnp.abs(darkened - truth).mean()})

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "enlightengan", {"align_corners": self.align_corners, "wide_pool": False, "width": self.width}

    def preview(
        self, state: TrainState, images: UInt8[Array | np.ndarray, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], ...]:
        """Returns the enhanced images and their attention maps."""
        return preview_generator(self.network, self.export(state)[0], images)


@dataclasses.dataclass(frozen=True)
class GeneratorOptions:
    """Options of EnlightenGAN's generator."""

    # Corner convention of the bilinear upsampling; the official release was trained with True.
    align_corners: bool = False
    # Normalises by the initial running statistics, as the enhancer will: for --init, where the statistics of small
    # batches differ from those of whole pictures.
    frozen_batch_norm: bool = False
    # Precision of the networks' arithmetic; parameters, statistics and losses are always float32.
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Channels of the generator's first layer; 32 in the official network.
    width: int = 32

    def __post_init__(self):
        check_at_least(1, width=self.width)

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as arguments of a method."""
        return {
            "align_corners": self.align_corners,
            "frozen_batch_norm": self.frozen_batch_norm,
            "width": self.width,
            "compute_dtype": jnp.dtype("bfloat16") if self.dtype == "bfloat16" else None,
        }


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of the exposure reconstruction."""

    # The generator of EnlightenGAN.
    gan: GeneratorOptions = GeneratorOptions()


def build(config: Config, learning_rate: optax.Schedule | float) -> Exposure:
    """Return the method of a configuration."""
    options = config.gan
    return Exposure(learning_rate, config.recipe.ema_decay, **options.arguments)


def check_batch_norm(config: TrainConfig) -> None:
    """Raise UsageError for frozen statistics without initial weights."""
    if config.options.frozen_batch_norm and config.init is None:
        raise UsageError("frozen_batch_norm: without init there are no statistics to keep")


# The debug preset's networks.
TINY_GENERATOR = {"width": 4}

SPEC = MethodSpec(
    summary="Exposure reconstruction of darkened bright pictures: a warm start for EnlightenGAN's generator",
    build=build,
    presets={
        "laptop": Preset({"size": 128, "batch_size": 4, "steps": 1000, "learning_rate": 3e-4, "ema_decay": 0.99}),
        "embedded": Preset({"size": 64, "batch_size": 4, "steps": 240, "learning_rate": 4e-4, "ema_decay": 0.97}),
        "debug": Preset(options=TINY_GENERATOR),
    },
    config=Config,
    always_weighted=True,
    check=check_batch_norm,
)

"""Exposure reconstruction: a self-supervised warm start for EnlightenGAN's generator. Not part of the paper.

A bright image is darkened into a night (`drujax.training.night`), and the generator learns to restore it, as it does
scenes that are painted, or that artists drew, by night and by day. That teaches it what adversarial training finds
slowly: how much to brighten a dark image, to leave a bright one unchanged, and to preserve colours and edges.
`experiments.train --method=exposure` trains it, `--init=RUN/weights.safetensors` of an EnlightenGAN run starts from it.

With data uncertainty, RP_b weights the loss of each bright image; dark images are not used.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, UInt8

from drujax.data.dataset import Dataset
from drujax.data.relabel import restricted
from drujax.errors import UsageError, check_at_least
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod
from drujax.methods.spec import MethodSpec, Preset
from drujax.models.generator import Generator, attention_map
from drujax.models.layers.initialise import official
from drujax.pictures.color import DARKEST, luma
from drujax.training.batch import Batch, Weights, prepare
from drujax.training.night import Darkening, Pairs, painted_pairs, random_pairs
from drujax.training.samples import preview_generator
from drujax.training.state import TrainState, Variables, step_key
from drujax.training.variants import variant_pairs

ASPECT = 5 / 3  # width of the painted scenes over their height


@dataclasses.dataclass(frozen=True, eq=False)
class Restoration:
    """Restoring what is known: bright images that were darkened, and scenes by night and by day."""

    darkening: Darkening = Darkening()
    # Scenes by night and by day, and how many of each collection a step takes.
    pairs: tuple[Pairs, ...] = ()
    pairs_per_step: tuple[int, ...] = ()

    def loss(
        self,
        generator: Generator,
        variables: Variables,
        bright: Float[Array, "b h w 3"],
        weights: Float[Array, " b"],
        pairs: tuple[Pairs, ...],
        key: Key[Array, ""],
        *,
        train: bool,
    ) -> tuple[Float[Array, ""], Any]:
        """Return the weighted mean of the error of each image, and the new batch statistics.

        The error is the mean absolute difference of the images and that of the logarithms of their luma: most of an
        enhanced image's error in dark regions is invisible to the first.

        Args:
            generator: the network.
            variables: its variables.
            bright: images in [-1, 1], square if there are pairs.
            weights: of the bright images; pairs have weight 1.
            pairs: `self.pairs`, on the device.
            key: of the darkening and of the choice of scenes.
            train: normalise by the statistics of the batch.
        """
        of_darkening, *of_pairs = jax.random.split(key, 1 + len(pairs))
        drawn = [(self.darkening(bright, of_darkening), bright)]
        for collection, n, of in zip(pairs, self.pairs_per_step, of_pairs, strict=True):
            drawn.append(random_pairs(collection, n, bright.shape[1], of))
        given, truth = (jnp.concatenate(images) for images in zip(*drawn, strict=True))
        weights = jnp.concatenate([weights, jnp.ones(sum(self.pairs_per_step))])
        (restored, _), new = generator.apply(
            variables, given, attention_map(given), train=train, mutable=["batch_stats"]
        )
        difference = jnp.abs(restored - truth).mean((1, 2, 3)) + jnp.abs(_log(restored) - _log(truth)).mean((1, 2))
        return (weights * difference).mean(), new["batch_stats"]


def _log(images: Float[Array, "b h w 3"]) -> Float[Array, "b h w"]:
    """Log luma of images in [-1, 1]."""
    return jnp.log(jnp.maximum(luma((images + 1) / 2), 0) + DARKEST)


@dataclasses.dataclass(frozen=True, eq=False)
class Exposure(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    restoration: Restoration = Restoration()
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

    @property
    def frozen(self) -> Variables:
        return {"pairs": self.restoration.pairs}

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Weights the bright images by RP_b, and does not use the dark ones."""
        loss, batch_stats = self.restoration.loss(
            self.network,
            variables,
            prepare(batch).bright,
            weights.bright,
            frozen["pairs"],
            step_key(state),
            train=not self.frozen_batch_norm,
        )
        return loss, (batch_stats, {})

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
    # Scenes to paint by night and by day for the exposure reconstruction, in addition to darkened pictures.
    painted: int = 0
    # Painted scenes per step.
    painted_per_step: int = 4
    # Drawn scenes per step of which --data holds pictures in several lightings (as one group), for the exposure
    # reconstruction.
    variants_per_step: int = 0

    def __post_init__(self):
        check_at_least(1, width=self.width, painted_per_step=self.painted_per_step)
        check_at_least(0, painted=self.painted, variants_per_step=self.variants_per_step)

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as arguments of a method."""
        return {
            "align_corners": self.align_corners,
            "frozen_batch_norm": self.frozen_batch_norm,
            "width": self.width,
            "compute_dtype": jnp.dtype("bfloat16") if self.dtype == "bfloat16" else None,
        }


def restoration(config: TrainConfig) -> Restoration:
    """Return what a configuration restores; paints its scenes (about a tenth of a second each).

    Raises:
        UsageError: no scene of the dataset is in several lightings, but they are asked for.
    """
    options, recipe = config.options, config.recipe
    height = recipe.short_side or recipe.size
    size = height, max(recipe.size, round(height * ASPECT))
    pairs, per_step = [], []
    if options.painted:
        pairs.append(painted_pairs(options.painted, size, config.seed))
        per_step.append(options.painted_per_step)
    if options.variants_per_step:
        dataset = restricted(Dataset.open(cast(Path, config.data)), config.partition, config.uncertain_share)
        pairs.append(variant_pairs(dataset, size))
        per_step.append(options.variants_per_step)
    return Restoration(pairs=tuple(pairs), pairs_per_step=tuple(per_step))


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of the exposure reconstruction."""

    # The generator of EnlightenGAN.
    gan: GeneratorOptions = GeneratorOptions()


def build(config: Config, learning_rate: optax.Schedule | float) -> Exposure:
    """Return the method of a configuration."""
    return Exposure(learning_rate, config.recipe.ema_decay, restoration=restoration(config), **config.gan.arguments)


def check_generator(config: TrainConfig) -> None:
    """Raise UsageError for frozen statistics without initial weights, and for scenes' variants without a dataset."""
    if config.options.frozen_batch_norm and config.init is None:
        raise UsageError("frozen_batch_norm: without init there are no statistics to keep")
    if config.options.variants_per_step and config.data is None:
        raise UsageError("variants_per_step: needs data; no painted scene is in the dataset in several lightings")


# The debug preset's networks.
TINY_GENERATOR = {"width": 4}

SPEC = MethodSpec(
    summary="Exposure reconstruction of darkened bright pictures: a warm start for EnlightenGAN's generator",
    build=build,
    presets={
        # The first stage of `experiments.train --preset=released`.
        "laptop": Preset(
            {
                "size": 128,
                "short_side": 192,
                "batch_size": 8,
                "constant_epochs": 30,
                "decay_epochs": 70,
                "steps": 6000,
                "learning_rate": 1e-3,
                "ema_decay": 0.998,
            },
            {"width": 8, "painted": 300, "painted_per_step": 3},
        ),
        "embedded": Preset({"size": 64, "batch_size": 4, "steps": 240, "learning_rate": 4e-4, "ema_decay": 0.97}),
        "debug": Preset(options=TINY_GENERATOR),
    },
    config=Config,
    always_weighted=True,
    check=check_generator,
)

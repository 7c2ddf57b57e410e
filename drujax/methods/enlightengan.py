"""EnlightenGAN, and DRU-EnlightenGAN if weighted by relativistic probabilities: equation 9 of the paper.

The official code updates the generator first and then the discriminators, on the enhanced images from before that
update. So all three gradients are taken at the same point, and one step here takes

    one forward pass of the generator, one of each discriminator over the real and one over the enhanced images, shared
    by its own loss (equations 5, 6)
        and the generator's (equations 7, 8),
    one of VGG16 over the dark and one over the enhanced images, and the same over the patches,

with all patches as one batch, since discriminators and VGG16 process each image independently.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Key, UInt8

from drujax.errors import UsageError, check_at_least
from drujax.losses import dru
from drujax.losses.self_feature_preserving import self_feature_preserving
from drujax.methods.config import TrainConfig
from drujax.methods.exposure import TINY_GENERATOR, GeneratorOptions, Restoration, check_generator, restoration
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset
from drujax.models.discriminator import PatchDiscriminator
from drujax.models.generator import Generator, attention_map
from drujax.models.layers.conv import Extent
from drujax.models.layers.initialise import official
from drujax.models.perceptual import VGG16Features
from drujax.runtime.remote_file import File
from drujax.training.batch import Batch, Inputs, Probabilities, Weights, example_weights, mean_luma, prepare
from drujax.training.patches import Offsets, cut, draw_offsets
from drujax.training.samples import preview_generator
from drujax.training.state import ModelState, TrainState, Variables, moving_average, step_key
from drujax.weights.pretrained.perceptual import VGG16, perceptual_variables

Metrics = dict[str, Float[Array, ""]]


class Features(NamedTuple):
    """VGG16 features of whole images and of their patches."""

    whole: Float[Array, "b h w c"]
    patches: Float[Array, "b p h w c"]


class Outputs(NamedTuple):
    """Discriminator logits and VGG16 features, the inputs of the losses."""

    global_real: Float[Array, "b h w 1"]
    global_fake: Float[Array, "b h w 1"]
    local_real: Float[Array, "b p h w 1"]
    local_fake: Float[Array, "b p h w 1"]
    features: Features  # of the enhanced images


class Gradients(NamedTuple):
    """Gradients of each network's own loss with respect to its parameters."""

    model: Any
    d_global: Any
    d_local: Any


@struct.dataclass
class GANState(TrainState):
    """Training state of EnlightenGAN; `model` is the generator."""

    d_global: ModelState
    d_local: ModelState


@dataclasses.dataclass(frozen=True, eq=False)
class EnlightenGAN:
    """The method, with its official options as defaults (see `drujax.training.method.Method`)."""

    # VGG16's variables, for the self-feature-preserving loss.
    perceptual: Variables
    # A number, or a schedule by completed steps.
    learning_rate: optax.Schedule | float = 1e-4
    # See `Generator`.
    align_corners: bool = False
    ghost_batches: int = 1
    wide_pool: bool = False
    width: int = 32
    # The generator normalises by its running statistics and does not update them.
    frozen_batch_norm: bool = False
    # Channels of the discriminators' first layer.
    discriminator_features: int = 64
    # Dtype of the computation; parameters, statistics and losses are always float32.
    compute_dtype: jnp.dtype | None = None
    # See `drujax.losses.dru`.
    loss_scale: dru.LossScale = "official"
    # Patches per image, and their side.
    patches: int = 6
    patch_size: int = 32
    # Weight of the exposure reconstruction (`drujax.methods.exposure`), which is not in the paper: it keeps the
    # generator brightening while the discriminators are untrained.
    reconstruction: float = 0.0
    restoration: Restoration = Restoration()
    # Initial steps in which only the discriminators learn; for a pretrained generator.
    generator_rests: int = 0
    # Decay of the moving average that `export` returns; None exports the weights themselves.
    ema_decay: float | None = None

    @property
    def frozen(self) -> Variables:
        return {"vgg16": self.perceptual, "pairs": self.restoration.pairs}

    @property
    def generator(self) -> Generator:
        return Generator(self.align_corners, self.ghost_batches, self.wide_pool, self.width, self.compute_dtype)

    @property
    def d_global(self) -> PatchDiscriminator:
        return PatchDiscriminator(5, self.discriminator_features, self.compute_dtype)

    @property
    def d_local(self) -> PatchDiscriminator:
        return PatchDiscriminator(4, self.discriminator_features, self.compute_dtype)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        return _adam(self.learning_rate)

    @property
    def generator_optimiser(self) -> optax.GradientTransformation:
        """The optimiser, with learning rate 0 during the generator's rest."""
        rate = self.learning_rate

        def after_rest(step):
            return jnp.where(step < self.generator_rests, 0.0, rate(step) if callable(rate) else rate)

        return _adam(after_rest) if self.generator_rests else self.optimiser

    def init(self, key: Key[Array, ""]) -> GANState:
        """Draws the official initial weights; all later patches depend on `key`, too."""
        keys = jax.random.split(key, 4)
        image = jnp.zeros((1, 32, 32, 3))
        generator = official(self.generator, keys[0], image, image[..., :1], train=True)
        return GANState(
            step=jnp.zeros((), jnp.int32),
            key=jax.random.key_data(keys[3]),
            model=ModelState.create(generator, self.generator_optimiser),
            d_global=ModelState.create(official(self.d_global, keys[1], image), self.optimiser),
            d_local=ModelState.create(official(self.d_local, keys[2], image), self.optimiser),
            ema=None if self.ema_decay is None else jax.tree.map(jnp.copy, generator),
        )

    def step(
        self, state: GANState, batch: Batch, rp: Probabilities | None, frozen: Variables
    ) -> tuple[GANState, Metrics]:
        """Updates all three networks. The batch may be sharded: statistics and losses are those of the whole batch."""
        inputs = prepare(batch)
        offsets = draw_offsets(step_key(state), self.patches, inputs.dark.shape[1:3], self.patch_size)
        gradients, batch_stats, metrics = self.gradients(state, inputs, example_weights(batch, rp), offsets, frozen)
        return self.updated(state, gradients, batch_stats), metrics

    def gradients(
        self, state: GANState, inputs: Inputs, weights: Weights, offsets: Offsets, frozen: Variables
    ) -> tuple[Gradients, Any, Metrics]:
        """Returns the gradients of all three networks, the generator's new batch statistics, and metrics."""

        def enhance(params):
            variables = {"params": params, "batch_stats": state.model.batch_stats}
            (enhanced, _), new = self.generator.apply(
                variables,
                inputs.darkened,
                inputs.attention,
                train=not self.frozen_batch_norm,
                mutable=["batch_stats"],
            )
            return enhanced, new["batch_stats"]

        def forward(enhanced, d_global, d_local):
            return self.outputs(enhanced, d_global, d_local, inputs, offsets, frozen)

        enhanced, generator_vjp, batch_stats = jax.vjp(enhance, state.model.params, has_aux=True)
        outputs, vjp = jax.vjp(forward, enhanced, state.d_global.params, state.d_local.params)
        original = self.features(inputs.dark, offsets, frozen)

        (loss_g, terms_g), outputs_g = jax.value_and_grad(self.generator_loss, has_aux=True)(outputs, original, weights)
        (loss_d, terms_d), outputs_d = jax.value_and_grad(self.discriminator_loss, has_aux=True)(outputs, weights)
        # Two backward passes: of the generator's loss to the enhanced images, of the discriminators' to their own
        # parameters. XLA removes the unused half of each.
        enhanced_g, _, _ = vjp(outputs_g)
        _, d_global, d_local = vjp(outputs_d)
        (generator,) = generator_vjp(enhanced_g)
        if self.reconstruction:
            terms_g["reconstruction"], reconstruction_g = self.reconstruct(state, inputs, weights, frozen)
            generator = jax.tree.map(lambda a, b: a + self.reconstruction * b, generator, reconstruction_g)

        finite = jnp.isfinite(loss_g + loss_d + optax.tree.norm((generator, d_global, d_local)))
        metrics = {
            "loss_g": loss_g,
            **terms_g,
            **terms_d,
            "rp_dark": weights.dark.mean(),
            "rp_bright": weights.bright.mean(),
            "luma_input": mean_luma((inputs.darkened + 1) / 2),
            "luma_enhanced": mean_luma((enhanced + 1) / 2),
            "finite": finite.astype(jnp.float32),
        }
        return Gradients(generator, d_global, d_local), batch_stats, metrics

    def updated(self, state: GANState, gradients: Gradients, batch_stats: Any) -> GANState:
        """Applies one step of the three optimisers."""
        generator = state.model.updated(gradients.model, self.generator_optimiser, batch_stats)
        ema = moving_average(state.ema, generator.variables, state.step, self.ema_decay)
        return dataclasses.replace(
            state,
            step=state.step + 1,
            model=generator,
            d_global=state.d_global.updated(gradients.d_global, self.optimiser),
            d_local=state.d_local.updated(gradients.d_local, self.optimiser),
            ema=ema,
        )

    def reconstruct(
        self, state: GANState, inputs: Inputs, weights: Weights, frozen: Variables
    ) -> tuple[Float[Array, ""], Any]:
        """Returns the exposure reconstruction loss (`Restoration`), and its gradient for the generator."""
        key = jax.random.fold_in(step_key(state), 1)

        def loss_of(params):
            variables = {"params": params, "batch_stats": state.model.batch_stats}
            return self.restoration.loss(
                self.generator,
                variables,
                inputs.bright,
                weights.bright,
                frozen["pairs"],
                key,
                train=not self.frozen_batch_norm,
            )

        (loss, _), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.model.params)
        return loss, gradients

    def outputs(
        self, enhanced: Float[Array, "b h w 3"], d_global, d_local, inputs: Inputs, offsets: Offsets, frozen: Variables
    ) -> Outputs:
        """Applies the discriminators (parameters) to bright and enhanced images, and VGG16 to the enhanced ones."""

        def local_logits(images):
            patches = cut(images, offsets, self.patch_size)
            return _apply_to_patches(self.d_local, {"params": d_local}, patches)

        return Outputs(
            global_real=_apply(self.d_global, {"params": d_global}, inputs.bright),
            global_fake=_apply(self.d_global, {"params": d_global}, enhanced),
            local_real=local_logits(inputs.bright),
            local_fake=local_logits(enhanced),
            features=self.features(enhanced, offsets, frozen),
        )

    def features(self, images: Float[Array, "b h w 3"], offsets: Offsets, frozen: Variables) -> Features:
        """Returns the VGG16 features of images and of their patches."""
        variables = frozen["vgg16"]
        width = variables["params"]["conv1_1"]["bias"].shape[0]
        vgg16 = VGG16Features(width, self.compute_dtype)
        patches = cut(images, offsets, self.patch_size)
        return Features(_apply(vgg16, variables, images), _apply_to_patches(vgg16, variables, patches))

    def generator_loss(
        self, outputs: Outputs, original: Features, weights: Weights
    ) -> tuple[Float[Array, ""], Metrics]:
        """Equations 7 and 8, and the self-feature-preserving terms, which are not weighted."""
        pair = weights.dark * weights.bright
        terms = {
            "loss_g_global": dru.generator_global(
                outputs.global_real, outputs.global_fake, pair, scale=self.loss_scale
            ),
            "loss_g_local": dru.generator_local(outputs.local_fake, weights.dark),
            "sfp_global": self_feature_preserving(outputs.features.whole, original.whole),
            "sfp_local": self_feature_preserving(outputs.features.patches, original.patches),
        }
        return sum(terms.values(), start=jnp.zeros(())), terms

    def discriminator_loss(self, outputs: Outputs, weights: Weights) -> tuple[Float[Array, ""], Metrics]:
        """The sum of equations 5 and 6, each of which depends on one discriminator."""
        pair, scale = weights.dark * weights.bright, self.loss_scale
        terms = {
            "loss_d_global": dru.discriminator_global(outputs.global_real, outputs.global_fake, pair, scale=scale),
            "loss_d_local": dru.discriminator_local(
                outputs.local_real, outputs.local_fake, weights.dark, weights.bright, scale=scale
            ),
        }
        return sum(terms.values(), start=jnp.zeros(())), terms

    def export(self, state: GANState) -> tuple[Variables, dict[str, Any]]:
        """Returns the generator, or its moving average if there is one."""
        options = {"align_corners": self.align_corners, "wide_pool": self.wide_pool, "width": self.width}
        return state.ema or state.model.variables, {"network": "enlightengan", "options": options}

    def preview(
        self, state: GANState, images: UInt8[Array | np.ndarray, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], ...]:
        """Returns the enhanced images and their attention maps."""
        return preview_generator(self.generator, self.export(state)[0], images)


def _adam(learning_rate: optax.Schedule | float) -> optax.GradientTransformation:
    return optax.adam(learning_rate, b1=0.5, b2=0.999, eps=1e-8)


def _apply(network: nn.Module, variables: Variables, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
    return cast(Array, network.apply(variables, x))


def _apply_to_patches(
    network: nn.Module, variables: Variables, patches: Float[Array, "b p h w c"]
) -> Float[Array, "b p h2 w2 k"]:
    """Applies a network to all patches as one batch."""
    b, p, *shape = patches.shape
    y = _apply(network, variables, patches.reshape(b * p, *shape))
    return y.reshape(b, p, *y.shape[1:])


@dataclasses.dataclass(frozen=True)
class Options(GeneratorOptions):
    """EnlightenGAN's own options."""

    # VGG16 of the self-feature-preserving loss: imagenet (downloaded), a file, or random (not trained).
    perceptual: str = "imagenet"
    # Factors of the losses: as the official code has them, or eqs. 5-8 of the paper to the letter.
    loss_scale: Literal["official", "paper"] = "official"
    # Random patches per image for the local discriminator.
    patches: int = 6
    # Side of the patches in pixels.
    patch_size: int = 32
    # Parts of the batch with batch statistics of their own; 3 is the official training on three GPUs.
    ghost_batches: int = 1
    # Weight of the exposure reconstruction, which is added to the paper's losses.
    reconstruction: float = 0.0
    # Steps at the start in which only the discriminators learn; for --init, whose weights adversarial training would
    # otherwise overwrite before the discriminators are useful.
    generator_rests: int = 0
    # Channels of the discriminators' first layer; 64 in the official networks.
    discriminator_features: int = 64
    # Channels of the first layer of a random VGG16; 64 in VGG16.
    perceptual_width: int = 64

    def __post_init__(self):
        super().__post_init__()
        check_at_least(
            1,
            patches=self.patches,
            patch_size=self.patch_size,
            ghost_batches=self.ghost_batches,
            discriminator_features=self.discriminator_features,
            perceptual_width=self.perceptual_width,
        )
        check_at_least(0, reconstruction=self.reconstruction, generator_rests=self.generator_rests)


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of EnlightenGAN."""

    # Networks and losses of EnlightenGAN.
    gan: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> EnlightenGAN:
    """Return the method of a configuration. Raises UsageError if VGG16's weights are unavailable."""
    options = config.gan
    return EnlightenGAN(
        perceptual_variables(options.perceptual, width=options.perceptual_width, seed=config.seed),
        learning_rate,
        ema_decay=config.recipe.ema_decay,
        **options.arguments,
        ghost_batches=options.ghost_batches,
        reconstruction=options.reconstruction,
        restoration=restoration(config) if options.reconstruction else Restoration(),
        generator_rests=options.generator_rests,
        discriminator_features=options.discriminator_features,
        loss_scale=options.loss_scale,
        patches=options.patches,
        patch_size=options.patch_size,
    )


def _check(config: TrainConfig) -> None:
    check_generator(config)
    for name in ("painted", "variants_per_step"):
        if getattr(config.options, name) and not config.options.reconstruction:
            raise UsageError(f"{name}: without reconstruction no such scene is used")
    if config.options.patch_size > config.recipe.size:
        raise UsageError(f"patch_size: must be <= recipe.size ({config.recipe.size}), got {config.options.patch_size}")


def _run(generator: Generator, images: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    x = images * 2 - 1
    enhanced, _ = generator(x, attention_map(x), train=False)
    return (enhanced + 1) / 2


def _run_tile(generator: Generator, images: Float[Array, "b h w 3"], inputs: Mapping[str, Any]) -> Any:
    x = images * 2 - 1
    place = (Extent(*inputs["rows"]), Extent(*inputs["columns"]))
    enhanced, _ = generator(x, attention_map(x), train=False, place=place)
    return (enhanced + 1) / 2


def _how_to_train(backbone: str) -> str:
    return f"Train it: python -m experiments.train --data=DIR --backbone={backbone}; its workdir serves as --model."


# Name of the model -> its probability network.
_DRU_MODELS = {
    "dru-resnet18": "resnet18",
    "dru-resnet50": "resnet50",
    "dru-mobilenet-v2": "mobilenet_v2",
    "dru-vgg13-bn": "vgg13_bn",
    "dru-vgg19": "vgg19",
    "dru-vit-b16": "vit_b16",
}

SPEC = MethodSpec(
    summary="EnlightenGAN (Jiang et al., TIP 2021), its losses weighted by relativistic probabilities (DRU)",
    build=build,
    presets={
        # Without the reconstruction, a generator trained for so few steps returns its input.
        "laptop": Preset(
            {"size": 128, "batch_size": 4, "steps": 1000, "learning_rate": 3e-4, "ema_decay": 0.99},
            {"patches": 3, "reconstruction": 10.0},
        ),
        # From weights that ship: what ten minutes reach from random ones is washed out.
        "embedded": Preset(
            {"size": 64, "batch_size": 4, "steps": 240, "learning_rate": 1e-4, "ema_decay": 0.97},
            {
                "perceptual": "random",
                "patches": 2,
                "width": 8,
                "frozen_batch_norm": True,
                "reconstruction": 10.0,
                "generator_rests": 40,
            },
            init="exposure-slim",
        ),
        "debug": Preset(
            options={
                "perceptual": "random",
                "patches": 2,
                "discriminator_features": 4,
                "perceptual_width": 4,
                **TINY_GENERATOR,
            }
        ),
        "benchmark": Preset({"batch_size": 2}, {"perceptual": "random"}),
    },
    config=Config,
    network=EnhancerNetwork(
        summary="EnlightenGAN's attention-guided U-Net generator (8.6 M parameters)",
        build=Generator,
        run=_run,
        run_tile=_run_tile,
        options={"align_corners": False, "ghost_batches": 1, "wide_pool": False, "width": 32},
        # torch 0.3.1, on which it was trained, interpolates with aligned corners.
        official={"align_corners": True},
        licence="BSD",
        size_multiple=16,
        margin=16,
        guided=True,
    ),
    models=(
        Model(
            "exposure-slim",
            "EnlightenGAN's generator at a quarter of its width, trained by --method=exposure",
            "Train it: python -m experiments.train --data=DIR --preset=released; its stage 2-drawn serves as --model.",
        ),
        Model(
            "dru-slim",
            "DRU-EnlightenGAN from exposure-slim: 4,000 steps of the paper's losses, uncertainty from mobilenet_v2",
            "Train it: python -m experiments.train --data=DIR --preset=released; its stage 3-dru serves as --model.",
        ),
        Model(
            "vanilla-slim",
            "Vanilla EnlightenGAN from exposure-slim: data, steps and seed of dru-slim",
            "Train it: python -m experiments.train --data=DIR --preset=released --backbone=none; its stage 3-dru.",
        ),
        *(
            Model(name, f"DRU-EnlightenGAN, uncertainty from {backbone}", _how_to_train(backbone))
            for name, backbone in _DRU_MODELS.items()
        ),
        Model("enlightengan", "Vanilla EnlightenGAN, trained on the same data", _how_to_train("none")),
    ),
    files=(
        VGG16,
        File(
            "enlightengan-official",
            "EnlightenGAN's released generator, for drujax convert --model enlightengan",
            "https://drive.google.com/file/d/1AkV-n2MdyfuZTFvcon8Z4leyVb0i7x63/view",
            "200_net_G_A.pth",
            34_600_000,
            None,
            "BSD",
            manual=True,
        ),
    ),
    always_weighted=True,
    check=_check,
    untrained=lambda options: (
        ("the VGG16 of the self-feature-preserving loss",) if options.perceptual == "random" else ()
    ),
    downloads=lambda options: ("VGG16's weights",) if options.perceptual == "imagenet" else (),
)

"""RUAS: unrolled illumination estimation, trained on dark images only, and noise removal, trained on its output.

Official recipe: 800 steps of one random 320x320 crop each; SGD with momentum 0.9 and weight decay 3e-4, gradients
clipped to norm 5, for illumination estimation (0.015) in each step and for noise removal (0.001) in each 50th. Noise
removal starts from weights whose training is not published; without them (`denoiser`) it starts here by removing
nothing. The released trainer uses a single image and fails on any PyTorch since 1.5; here all dark images are used by
default.

With data uncertainty, RP_d weights both losses of each image (docs/method.md).
"""

import dataclasses
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from drujax.errors import UsageError, check_at_least
from drujax.losses import retinex
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.ruas import LAST_LAYER, IlluminationEstimation, NoiseRemoval, genotype
from drujax.models.ruas import RUAS as Network
from drujax.runtime.remote_file import github_file
from drujax.training.batch import Batch, Weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.safetensors_io import load_weights
from drujax.weights.torch_names import from_torch, to_torch, unwrapped


@dataclasses.dataclass(frozen=True, eq=False)
class RUAS(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`). `learning_rate` is that of illumination estimation."""

    # See `drujax.losses.retinex`.
    form: retinex.Form = "official"
    # Learning rate of noise removal, and steps between its updates.
    denoising_rate: float = 0.001
    denoise_every: int = 50
    # Initial parameters of `denoise_net`; without them it starts by removing nothing.
    denoiser: Any = None
    # Whether the exported network removes noise; the official test does so only with the weights from LOL.
    denoise: bool = True
    # The cells, see `drujax.models.ruas.genotype`.
    illumination: str = "released"
    noise: str = "released"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        denoising = sgd(self.denoising_rate, decay=3e-4)
        return partitioned(
            enhance_net=sgd(self.learning_rate, decay=3e-4), denoise_net=only_when(denoising, self._denoises)
        )

    @property
    def network(self) -> Network:
        return Network(self.denoise, self.illumination, self.noise)

    def _denoises(self, step: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether noise removal is updated after `step` completed steps."""
        return (step + 1) % self.denoise_every == 0

    def initial(self, key: Key[Array, ""]) -> Variables:
        variables = initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme())
        if self.denoiser is not None:
            variables["params"]["denoise_net"] = self.denoiser
        else:
            # Its few updates would not undo the colour cast of a random last layer.
            noise_removal = variables["params"]["denoise_net"]
            noise_removal[LAST_LAYER] = jax.tree.map(jnp.zeros_like, noise_removal[LAST_LAYER])
        return variables

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Returns the weighted means, over the dark images, of both losses; each trains one network."""
        del frozen
        dark, _ = unit_images(batch)
        params = variables["params"]
        illumination = IlluminationEstimation(genotype("illumination", self.illumination))
        steps = apply(illumination, {"params": params["enhance_net"]}, dark)
        enhanced = jax.lax.stop_gradient(steps[-1].enhanced)
        enhancement = retinex.ruas_enhancement(dark, steps[-1].illumination, form=self.form)

        def denoising(denoise_net):
            noise_removal = NoiseRemoval(genotype("noise", self.noise))
            denoised = enhanced - apply(noise_removal, {"params": denoise_net}, enhanced)
            return (weights.dark * retinex.ruas_denoising(enhanced, denoised)).mean()

        loss = (weights.dark * enhancement).mean()
        noise = jax.lax.cond(
            self._denoises(state.step), denoising, lambda _: jnp.zeros_like(loss), params["denoise_net"]
        )
        metrics = {"denoising": noise, "luma_enhanced": mean_luma(enhanced)}
        return loss + noise, (None, metrics)

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "ruas", {"denoise": self.denoise, "illumination": self.illumination, "noise": self.noise}


def sgd(rate: optax.Schedule | float, *, decay: float = 0.0) -> optax.GradientTransformation:
    """PyTorch's SGD with momentum 0.9: clips the gradient to norm 5, then adds the weight decay to it."""
    clipped = optax.clip_by_global_norm(5.0)
    return optax.chain(clipped, optax.add_decayed_weights(decay), optax.sgd(rate, momentum=0.9))


def partitioned(**optimisers: optax.GradientTransformation) -> optax.GradientTransformation:
    """Combines optimisers by the name of the top-level parameters that each trains."""
    return optax.partition(cast(dict[Hashable, Any], optimisers), {name: name for name in optimisers})


def only_when(
    optimiser: optax.GradientTransformation, when: Callable[[Int[Array, ""]], Bool[Array, ""]]
) -> optax.GradientTransformation:
    """Restricts an optimiser to the steps (by completed steps) for which `when` is true; the others do not count."""
    return cast(Any, optax.conditionally_mask(optimiser, cast(Any, when)))


@dataclasses.dataclass(frozen=True)
class Options:
    """RUAS's own options."""

    # Trains only on the first dark picture, as the released trainer does.
    one_picture: bool = False
    # Steps between two updates of the noise removal.
    denoise_every: int = 50
    # Initial checkpoint of the noise removal; the official one is model/denoise.pt.
    denoiser: Path | None = None
    # Run of --method=ruas_search, or its weights, whose architecture is trained instead of the released one.
    architecture: Path | None = None

    def __post_init__(self):
        check_at_least(1, denoise_every=self.denoise_every)


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of RUAS."""

    # Networks and losses of RUAS.
    ruas: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> RUAS:
    """Return the method of a configuration.

    Raises:
        UsageError: `architecture` or `denoiser` is not such a file.
    """
    options = config.ruas
    illumination, noise = _architecture(options.architecture)
    return RUAS(
        learning_rate,
        config.recipe.ema_decay,
        form=config.recipe.loss_form,
        denoise_every=options.denoise_every,
        denoiser=None if options.denoiser is None else _denoiser(options.denoiser, noise),
        illumination=illumination,
        noise=noise,
    )


def _architecture(path: Path | None) -> tuple[str, str]:
    """Return the cells of both networks that a search found, by its run or its weights; without a path the released
    ones.
    """
    if path is None:
        return "released", "released"
    try:
        _, metadata = load_weights(path / "weights.safetensors" if path.is_dir() else path)
    except (UsageError, OSError) as error:
        raise UsageError(f"architecture: {error}") from error
    if metadata["network"] != "ruas":
        raise UsageError(f"architecture: {path} must hold the network ruas, got {metadata['network']}")
    illumination, noise = (metadata["options"].get(cell, "released") for cell in ("illumination", "noise"))
    return illumination, noise


def _denoiser(path: Path, cell: str) -> dict[str, Any]:
    """Return the parameters of noise removal with architecture `cell` from a checkpoint of RUAS or of noise removal
    only, or from a drujax weight file.
    """
    ours = path.suffix == ".safetensors"
    state = to_torch(load_weights(path)[0]) if ours else unwrapped(read_checkpoint(path))
    state = {name.removeprefix("denoise_net."): array for name, array in state.items()}
    shapes = jax.eval_shape(NoiseRemoval(genotype("noise", cell)).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    wanted = {name: array for name, array in state.items() if not name.startswith("enhance_net.")}
    try:
        return from_torch(wanted, shapes)["params"]
    except UsageError as error:
        raise UsageError(f"denoiser: {path}: {error}") from error


def _released(data: str, what: str, sha256: str, **options: Any) -> Model:
    file = github_file(
        f"ruas-{data}-official",
        f"RUAS's released {data}.pt",
        "KarelZhang/RUAS",
        "f621bb19ceffbe27b2d9625bb806bc7cc60aea7b",
        f"ckpt/{data}.pt",
        f"ruas_{data}.pt",
        licence="none stated",
        size=31_374,
        sha256=sha256,
    )
    return Model(f"ruas-{data}", f"RUAS's weights from {what}", file=file, options=options)


SPEC = MethodSpec(
    summary="RUAS: Retinex-inspired unrolling with architecture search (Liu et al., CVPR 2021)",
    build=build,
    recipe=Recipe(flips=False, batch_size=1, steps=800, decay_epochs=0, learning_rate=0.015),
    presets={"laptop": Preset({"size": 256}), "embedded": Preset({"size": 96, "steps": 800})},
    config=Config,
    network=EnhancerNetwork(
        summary="RUAS's unrolled illumination estimation and noise removal (3,438 parameters)",
        build=Network,
        run=first_output,
        options={"denoise": True, "illumination": "released", "noise": "released"},
        licence="none stated",
    ),
    models=(
        _released("lol", "LOL", "f45a881a9b836fff4a3172481f28c9eb4d91bc4df54ec064092f39ce40abcdcd"),
        # The official test removes noise only with the weights from LOL.
        _released("upe", "MIT-5K", "2252d3d909e346b547232c7015f034685aac75181171c6caf90ee12d87ca36c1", denoise=False),
        _released(
            "dark", "DarkFace", "59083ec4dd4a2b7926c182a4add1519b9646a3aca6c39cfdb7d496fe885828e4", denoise=False
        ),
    ),
    epoch="dark",
    min_size=3,
    init_files=lambda options: {"denoiser": options.denoiser},
    one_image=lambda options: options.one_picture,
)

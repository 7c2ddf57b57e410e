"""ZERO-IG (Shi et al., CVPR 2024): removes noise and estimates the illumination, trained on dark images alone.

Official recipe: Adam 3e-4 with weight decay 3e-4 and gradients clipped to norm 5, one image per step, 2001 epochs; its
authors recommend a single image. The official code takes whole images of any size; drujax crops them, so that images
can be batched and one program compiled. The three networks are trained together by one loss (`drujax.losses.zero_ig`).

With data uncertainty, RP_d weights the loss of each image (docs/method.md).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from drujax.errors import UsageError
from drujax.losses import zero_ig
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.zero_ig import ZeroIG as Network
from drujax.runtime.remote_file import github_file
from drujax.training.batch import Batch, Weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import TrainState, Variables
from drujax.weights.torch_names import from_torch, unwrapped

FEATURES, DENOISE_FEATURES = 64, 48


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroIG(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`)."""

    # See `drujax.models.zero_ig.ZeroIG`.
    features: int = FEATURES
    denoise_features: int = DENOISE_FEATURES

    @property
    def network(self) -> Network:
        return Network(features=self.features, denoise_features=self.denoise_features)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        # PyTorch's Adam adds the weight decay to the clipped gradient.
        return optax.chain(
            optax.clip_by_global_norm(5.0), optax.add_decayed_weights(3e-4), optax.adam(self.learning_rate)
        )

    def initial(self, key: Key[Array, ""]) -> Variables:
        """The illumination estimation starts from normal weights, the noise removals from PyTorch's."""
        of_light, of_noise = jax.random.split(key)
        image = jnp.zeros((1, 16, 16, 3))
        light = initial_variables(self.network, of_light, image, scheme=Scheme(normal=True, zero_biases=True))
        noise = initial_variables(self.network, of_noise, image, scheme=Scheme())
        params = {**noise["params"], "enhance": light["params"]["enhance"]}
        return {"params": params, "batch_stats": light["batch_stats"]}

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState, frozen: Any
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """Returns the weighted mean over the dark images."""
        del state, frozen
        dark, _ = unit_images(batch)
        passes, new = apply(self.network, variables, dark, method="passes", train=True, mutable=["batch_stats"])
        total, terms = zero_ig.total(dark, passes)
        metrics = {name: term.mean() for name, term in terms.items()}
        return (weights.dark * total).mean(), (
            new["batch_stats"],
            metrics | {"luma_enhanced": mean_luma(passes.final)},
        )

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        options = {"denoise": True, "features": self.features, "denoise_features": self.denoise_features}
        return "zero_ig", options


@dataclasses.dataclass(frozen=True)
class Options:
    """ZERO-IG's own options."""

    # Trains only on the first dark picture, as the official code does.
    one_picture: bool = False


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of ZERO-IG."""

    # Data of ZERO-IG.
    zero_ig: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> ZeroIG:
    """Return the method of a configuration."""
    return ZeroIG(learning_rate, config.recipe.ema_decay)


def _check(config: TrainConfig) -> None:
    if config.recipe.loss_form != "official":
        raise UsageError(f"loss_form: zero_ig has the official losses only, got {config.recipe.loss_form}")


def _convert(state: Mapping[str, Any], shapes: Mapping[str, Any]) -> Variables:
    """Drops the duplicate names of shared blocks."""
    return from_torch({name: value for name, value in unwrapped(state).items() if ".blocks." not in name}, shapes)


def _released(data: str, sha256: str) -> Model:
    file = github_file(
        f"zero-ig-{data.lower()}-official",
        f"ZERO-IG's released {data}.pt",
        "Doyle59217/ZeroIG",
        "5af4b8aca6b114732f05d7fea70e0fbc874d63ab",
        f"weights/{data}.pt",
        f"zero_ig_{data}.pt",
        licence="none stated",
        size=358_020,
        sha256=sha256,
    )
    return Model(f"zero-ig-{data.lower()}", f"ZERO-IG's weights from {data}", file=file)


SPEC = MethodSpec(
    summary="ZERO-IG: joint denoising and enhancement guided by illumination (Shi et al., CVPR 2024)",
    build=build,
    recipe=Recipe(flips=False, batch_size=1, constant_epochs=2001, decay_epochs=0, learning_rate=3e-4),
    presets={
        "laptop": Preset({"size": 128, "steps": 2000}),
        "embedded": Preset({"size": 64, "steps": 400, "learning_rate": 1e-3}),
    },
    config=Config,
    network=EnhancerNetwork(
        summary="ZERO-IG's illumination estimation and two noise removals (86,729 parameters)",
        build=Network,
        run=first_output,
        options={"denoise": True, "features": FEATURES, "denoise_features": DENOISE_FEATURES},
        licence="none stated",
        convert=_convert,
    ),
    models=(
        _released("LOL", "716e66142f27d9f2227429f6d5c8c036f81d9429ba9fb8e1a871fc68dbb04c2a"),
        _released("LSRW-Huawei", "8b3b86eae59d1b0e98167200408b9d3cb7522730e204be64b2a8fb60bb2928cb"),
        _released("LSRW-Nikon", "23c0e5e037312b5270edd925f3f8cefdc15c335eff3d9b8d8653f48ec99d7681"),
    ),
    epoch="dark",
    min_size=zero_ig.MIN_SIZE,
    check=_check,
    one_image=lambda options: options.one_picture,
)

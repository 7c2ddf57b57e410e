"""The architecture search for RUAS's two cells, by DARTS (Liu et al., ICLR 2019).

Official search: 20 epochs; each of a cell's 7 places mixes 7 operations by the softmax of as many architecture weights,
one table of them for the cells of illumination estimation and one for those of noise removal. In each step the tables
are updated by Adam (3e-4, betas 0.5 and 0.999, weight decay 1e-3) on validation images, and the networks by SGD (0.005,
momentum 0.9, gradients clipped to norm 5); noise removal and its table are updated in every tenth step.

Here the search is of first order; the official code differentiates the tables through one step of the networks, at
three times the cost. The validation images are the second half of each batch; the official code has a folder of them.

With data uncertainty, RP_d weights all losses of each image (docs/method.md).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from drujax.errors import UsageError
from drujax.losses import retinex
from drujax.methods.config import TrainConfig
from drujax.methods.ruas import only_when, partitioned, sgd
from drujax.methods.single_network import EnhancerMethod, Metrics, apply
from drujax.methods.spec import MethodSpec, Preset
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.ruas import OPERATIONS, PLACES, IlluminationEstimation, NoiseRemoval
from drujax.models.ruas import RUAS as Network
from drujax.training.batch import Batch, Probabilities, example_weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import ModelState, TrainState, Variables, moving_average


@struct.dataclass
class State(TrainState):
    """Training state of a search; `model` holds the networks of mixed cells."""

    tables: ModelState  # params: "illumination" and "noise", each Float places operations


@dataclasses.dataclass(frozen=True, eq=False)
class RUASSearch(EnhancerMethod):
    """The search as a method (see `drujax.training.method.Method`). `learning_rate` is that of both networks."""

    table_rate: float = 3e-4
    # Steps between two updates of noise removal.
    denoise_every: int = 10

    @property
    def frozen(self) -> Variables:
        return {}

    @property
    def optimiser(self) -> optax.GradientTransformation:
        rate = self.learning_rate
        return partitioned(enhance_net=sgd(rate), denoise_net=only_when(sgd(rate), self._denoises))

    @property
    def table_optimiser(self) -> optax.GradientTransformation:
        adam = optax.chain(optax.add_decayed_weights(1e-3), optax.adam(self.table_rate, b1=0.5))
        return partitioned(illumination=adam, noise=only_when(adam, self._denoises))

    def _denoises(self, step: Int[Array, ""]) -> Bool[Array, ""]:
        return step % self.denoise_every == 0

    def init(self, key: Key[Array, ""]) -> State:
        networks_key, tables_key, later = jax.random.split(key, 3)
        drawn = 1e-3 * jax.random.normal(tables_key, (2, len(PLACES), len(OPERATIONS)))
        tables = dict(zip(("illumination", "noise"), drawn, strict=True))
        image = jnp.zeros((1, 16, 16, 3))
        variables = initial_variables(Network(), networks_key, image, scheme=Scheme(), shares=tables)
        model = ModelState.create(variables, self.optimiser)
        return State(
            step=jnp.zeros((), jnp.int32),
            key=jax.random.key_data(later),
            model=model,
            ema=None if self.ema_decay is None else jax.tree.map(jnp.copy, model.variables),
            tables=ModelState.create({"params": tables}, self.table_optimiser),
        )

    def step(self, state: State, batch: Batch, rp: Probabilities | None, frozen: Any) -> tuple[State, Metrics]:
        """Updates the tables, then the networks."""
        del frozen
        (dark, _), weights = unit_images(batch), example_weights(batch, rp).dark
        half = len(dark) // 2
        training, validation = (dark[:half], weights[:half]), (dark[half:], weights[half:])

        def tables_loss(tables):
            enhancement, denoising, _ = self.losses(state.model.params, tables, *validation)
            return enhancement + denoising

        def networks_loss(params, tables):
            enhancement, denoising, enhanced = self.losses(params, tables, *training, separate=True)
            return enhancement + denoising, (enhancement, denoising, mean_luma(enhanced))

        validation_loss, gradients = jax.value_and_grad(tables_loss)(state.tables.params)
        tables = state.tables.updated(gradients, self.table_optimiser)
        (loss, (enhancement, denoising, luma)), gradients = jax.value_and_grad(networks_loss, has_aux=True)(
            state.model.params, tables.params
        )
        model = state.model.updated(gradients, self.optimiser)
        ema = moving_average(state.ema, model.variables, state.step, self.ema_decay)
        finite = jnp.isfinite(loss + validation_loss + optax.tree.norm(gradients)).astype(jnp.float32)
        largest = {name: jax.nn.softmax(table).max(-1).mean() for name, table in tables.params.items()}
        metrics = {
            "loss": enhancement,
            "denoising": denoising,
            "loss_of_tables": validation_loss,
            "luma_enhanced": luma,
            **{f"largest_share_{name}": share for name, share in largest.items()},
            "rp_dark": weights.mean(),
            "finite": finite,
        }
        after = dataclasses.replace(state, step=state.step + 1, model=model, ema=ema, tables=tables)
        return after, metrics

    def losses(
        self,
        params: Mapping[str, Any],
        tables: Mapping[str, Float[Array, "places operations"]],
        dark: Float[Array, "b h w 3"],
        weights: Float[Array, " b"],
        *,
        separate: bool = False,
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, "b h w 3"]]:
        """Return the weighted means of both losses, and the enhanced images before noise removal.

        The table of illumination estimation learns from both losses; with `separate`, each network learns from its own.
        """
        shares = {name: jax.nn.softmax(table) for name, table in tables.items()}
        steps = apply(IlluminationEstimation(), {"params": params["enhance_net"]}, dark, shares["illumination"])
        enhanced = jax.lax.stop_gradient(steps[-1].enhanced) if separate else steps[-1].enhanced
        noise = apply(NoiseRemoval(), {"params": params["denoise_net"]}, enhanced, shares["noise"])
        enhancement = retinex.ruas_enhancement(dark, steps[-1].illumination, colours="rgb")
        denoising = retinex.ruas_denoising(enhanced, enhanced - noise)
        return (weights * enhancement).mean(), (weights * denoising).mean(), enhanced

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "ruas", {}

    def export(self, state: TrainState) -> tuple[Variables, dict[str, Any]]:
        """Returns the networks with the operations of the largest shares, with their weights from the mixtures."""
        assert isinstance(state, State)
        found = {name: np.argmax(table, -1) for name, table in jax.device_get(state.tables.params).items()}
        mixed = (state.ema or state.model.variables)["params"]
        params = {
            "enhance_net": _chosen(mixed["enhance_net"], found["illumination"]),
            "denoise_net": _chosen(mixed["denoise_net"], found["noise"]),
        }
        options = {name: ",".join(OPERATIONS[i] for i in choice) for name, choice in found.items()}
        return {"params": params}, {"network": "ruas", "options": options}

    def preview(
        self, state: TrainState, images: UInt8[Array | np.ndarray, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], ...]:
        """Returns images enhanced by the mixed networks."""
        assert isinstance(state, State)
        shares = jax.tree.map(jax.nn.softmax, state.tables.params)
        params = (state.ema or state.model.variables)["params"]
        enhanced, _ = apply(Network(), {"params": params}, jnp.asarray(images, jnp.float32) / 255, shares=shares)
        return (jnp.clip(enhanced, 0, 1),)


def _chosen(params: Mapping[str, Any], choice: Int[np.ndarray, " places"]) -> dict[str, Any]:
    """Selects the parameters of the chosen operations from those of mixed cells, under the names of unmixed ones."""
    chosen = {}
    for name, inner in params.items():
        if name in PLACES:
            operation = inner.get(f"_ops.{choice[PLACES.index(name)]}.op")
            chosen |= {} if operation is None else {name: {"op": operation}}  # "skip" has none
        else:
            chosen[name] = _chosen(inner, choice) if isinstance(inner, Mapping) else inner
    return chosen


def build(config: TrainConfig, learning_rate: optax.Schedule | float) -> RUASSearch:
    """Return the search of a configuration."""
    return RUASSearch(learning_rate, config.recipe.ema_decay)


def _check(config: TrainConfig) -> None:
    if config.recipe.batch_size % 2:
        raise UsageError(
            f"batch_size: must be even, half for the networks and half for the search, got {config.recipe.batch_size}"
        )


SPEC = MethodSpec(
    summary="The architecture search of RUAS; --ruas.architecture trains what it finds",
    build=build,
    # One image for the networks, and one for the tables.
    recipe=Recipe(flips=False, batch_size=2, constant_epochs=20, decay_epochs=0, learning_rate=0.005),
    presets={
        "laptop": Preset({"size": 128, "steps": 2000}),
        "embedded": Preset({"size": 64, "steps": 400}),
    },
    epoch="dark",
    min_size=3,
    check=_check,
)

"""RUAS as a method: unrolled illumination estimation learns from dark pictures alone, and noise removal from those.

Official recipe: 800 steps of one random 320x320 crop each; SGD with momentum 0.9 and weight decay 3e-4, gradients
clipped to norm 5, for illumination estimation (0.015) each step and for noise removal (0.001) each 50th, which starts
from weights trained before, nobody says how; without them (`denoiser`) it starts here by removing nothing. The released
trainer sees one picture alone, and no PyTorch since 1.5 runs it; by default all dark pictures are trained on here.

With data uncertainty, RP_d weights both losses of each picture (docs/method.md).
"""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from drujax.losses import retinex
from drujax.methods.single_network import Metrics, SingleNetworkMethod, apply
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.models.ruas import LAST_LAYER, IlluminationEstimation, NoiseRemoval, genotype
from drujax.models.ruas import RUAS as Network
from drujax.training.batch import Batch, Weights, mean_luma, pictures
from drujax.training.state import TrainState, Variables


@dataclasses.dataclass(frozen=True, eq=False)
class RUAS(SingleNetworkMethod):
    """The method (see `drujax.training.method.Method`). `learning_rate` is that of illumination estimation."""

    # See `drujax.losses.retinex`.
    form: retinex.Form = "official"
    # Of noise removal, and the steps from one of its updates to the next.
    denoising_rate: float = 0.001
    denoise_every: int = 50
    # What noise removal starts from (parameters of `denoise_net`), instead of removing nothing.
    denoiser: Any = None
    # Whether noise is removed from what the trained network enhances; the official test does so with the weights from
    # LOL alone.
    denoise: bool = True
    # The cells, see `drujax.models.ruas.genotype`.
    illumination: str = "released"
    noise: str = "released"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        denoising = sgd(self.denoising_rate, decay=3e-4)
        return parted(enhance_net=sgd(self.learning_rate, decay=3e-4), denoise_net=at_times(denoising, self._denoises))

    @property
    def network(self) -> Network:
        return Network(self.denoise, self.illumination, self.noise)

    def _denoises(self, step: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether noise removal learns in the step after `step` others."""
        return (step + 1) % self.denoise_every == 0

    def initial(self, key: Key[Array, ""]) -> Variables:
        variables = initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme())
        if self.denoiser is not None:
            variables["params"]["denoise_net"] = self.denoiser
        else:
            # Its few updates would never undo the colour cast that a random last layer subtracts from every picture.
            noise_removal = variables["params"]["denoise_net"]
            noise_removal[LAST_LAYER] = jax.tree.map(jnp.zeros_like, noise_removal[LAST_LAYER])
        return variables

    def loss(
        self, variables: Variables, batch: Batch, weights: Weights, state: TrainState
    ) -> tuple[Float[Array, ""], tuple[Any, Metrics]]:
        """The weighted means over the dark pictures of both losses, each of which trains one network."""
        dark, _ = pictures(batch)
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
    """PyTorch's SGD with momentum 0.9, which adds the decay to the gradient, after it was clipped to norm 5."""
    clipped = optax.clip_by_global_norm(5.0)
    return optax.chain(clipped, optax.add_decayed_weights(decay), optax.sgd(rate, momentum=0.9))


def parted(**optimisers: optax.GradientTransformation) -> optax.GradientTransformation:
    """Optimisers by the name of the part of the parameters that each trains."""
    return optax.partition(cast(dict[Hashable, Any], optimisers), {name: name for name in optimisers})


def at_times(
    optimiser: optax.GradientTransformation, when: Callable[[Int[Array, ""]], Bool[Array, ""]]
) -> optax.GradientTransformation:
    """An optimiser that does nothing, nor counts, after as many steps as `when` denies."""
    return cast(Any, optax.conditionally_mask(optimiser, cast(Any, when)))

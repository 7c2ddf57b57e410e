"""CLIP-LIT as a method: two prompts learn to tell backlit from well-lit pictures, and a network learns to please them.

Official recipe: whole pictures of 512x512, batches of 8 (16 for prompts), Adam with weight decay 1e-3, 2e-5 for the
network and 5e-6 for the prompts; 8000 steps in which the prompts learn which split a picture is of, 1000 in which the
network learns to leave pictures as they are, and then rounds: 2100 steps of the network against the prompts, 1000 of
the prompts against what the network has made so far. The last two go on until their loss is low enough.

Here one step is one update of either, by the phase that the state holds, so that checkpoints, resuming and logs are
those of every method. What differs from the official code, beyond its two batch and picture sizes:

* labels come from the split, where the official code looks for words in the pictures' paths;
* the enhanced pictures that prompts are refined with are computed anew, from the networks at the ends of the last two
  rounds and of the augmented dark pictures. The official code reads them from folders that it wrote in each round when
  a running mean of the loss was best: mostly early, since that mean starts from zeros; and augments them afterwards;
* its "best" network and prompts are the last ones, as they are in fact there: it keeps a reference, not a copy.

From the second round on prompts learn to rank what the newest network and the one before it made. The official code
takes the newest for the worse of the two, which `form="paper"` turns round.

With data uncertainty, RP_d weights the losses of a dark picture, RP_b those of a bright one, and RP_d RP_b the ranking,
which compares the two (docs/method.md). Whether a phase is extended depends on the losses without weights.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Key

from drujax.losses import clip_lit
from drujax.methods.single_network import EnhancerMethod, Metrics, apply
from drujax.models.clip.preprocessing import normalised
from drujax.models.clip.prompts import end_of
from drujax.models.clip_lit import CLIPLIT as Network
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.pictures.color import luma
from drujax.training.augment import warped
from drujax.training.batch import Batch, Probabilities, Weights, example_weights, mean_luma, pictures
from drujax.training.state import ModelState, TrainState, Variables, moving_average, step_key
from drujax.weights.pretrained.clip import CLIP, Encoder

PROMPTS, RECONSTRUCTION, ENHANCEMENT, REFINEMENT = range(4)  # phases
# The reconstruction starts again with other weights when this PSNR is not reached, as where the light map is zero
# everywhere and has no gradient: the mean of so many steps, after so many.
LEAST_PSNR, PSNR_STEPS, PSNR_AFTER = 8.0, 30, 100


@struct.dataclass
class State(TrainState):
    """What a run carries from step to step; `generator` is the network that enhances."""

    prompts: ModelState  # params: Float 2 t c, of backlit and well-lit pictures
    earlier: Any  # parameters of the network at the ends of the last two rounds, the newest first
    phase: Any  # Int[Array, ""]
    since: Any  # Int[Array, ""], steps done in the phase
    until: Any  # Int[Array, ""], steps after which it ends, if its loss is low enough
    rounds: Any  # Int[Array, ""], rounds of enhancement done
    psnr: Any  # Float[Array, "30"], of the last steps of the reconstruction


class _Seen(NamedTuple):
    """What a step tells of itself; zero what its phase does not have."""

    loss: Float[Array, ""]
    unweighted: Float[Array, ""]  # the loss, were all pictures certain
    gradient: Float[Array, ""]  # of the loss: its norm
    luma: Float[Array, ""] | float = 0.0
    psnr: Float[Array, ""] | float = 0.0
    clip: Float[Array, ""] | float = 0.0
    identity: Float[Array, ""] | float = 0.0


_Outcome = tuple[ModelState, ModelState, _Seen]  # the network, the prompts


@dataclasses.dataclass(frozen=True)
class Lengths:
    """Steps of each phase; the last two are extended while their loss is above a bound."""

    # The prompts learn which split a picture is of.
    prompts: int = 8000
    # The network learns to leave pictures as they are.
    reconstruction: int = 1000
    # Of a round: the network against the prompts, then the prompts against the network.
    enhancement: int = 2100
    refinement: int = 1000
    # Losses above which enhancement goes on for 60 steps more, and prompts (of both phases) for 100.
    enhancement_bound: float = 90.0
    prompts_bound: float = 60.0


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CLIPLIT(EnhancerMethod):
    """The method (see `drujax.training.method.Method`). `learning_rate` is that of the network that enhances."""

    # Of texts and pictures, and of pictures for the identity loss.
    clip: CLIP
    resnet: Encoder
    # What the prompts start from: the text that both begin with, or learned ones.
    initial_prompts: Float[Array | np.ndarray, "2 t c"]
    prompt_rate: float = 5e-6
    lengths: Lengths = Lengths()
    # In which order prompts rank the pictures of the last two networks.
    form: Literal["official", "paper"] = "official"
    # Side of the pictures that the encoders take.
    resolution: int = 224

    @property
    def frozen(self) -> Variables:
        return {
            "image": self.clip.image.variables,
            "text": self.clip.text.variables,
            "resnet": self.resnet.variables,
        }

    @property
    def network(self) -> Network:
        return Network(padding="zeros", epsilon=1e-9)

    @property
    def enhancer(self) -> tuple[str, dict[str, Any]]:
        return "clip_lit", {"padding": "reflect", "epsilon": 0.0}

    def _optimiser(self, rate: optax.Schedule | float) -> optax.GradientTransformation:
        # PyTorch's Adam adds the decay to the gradient.
        return optax.chain(optax.add_decayed_weights(1e-3), optax.adam(rate))

    @property
    def optimiser(self) -> optax.GradientTransformation:
        return self._optimiser(self.learning_rate)

    @property
    def prompt_optimiser(self) -> optax.GradientTransformation:
        return self._optimiser(self.prompt_rate)

    def initial(self, key: Key[Array, ""]) -> Variables:
        return initial_variables(self.network, key, jnp.zeros((1, 16, 16, 3)), scheme=Scheme(normal=True))

    def init(self, key: Key[Array, ""]) -> State:
        network, later = jax.random.split(key)
        model = ModelState.create(self.initial(network), self.optimiser)
        lengths = self.lengths
        first = PROMPTS if lengths.prompts else RECONSTRUCTION if lengths.reconstruction else ENHANCEMENT
        zero = jnp.zeros((), jnp.int32)
        return State(
            step=zero,
            key=jax.random.key_data(later),
            model=model,
            ema=None if self.ema_decay is None else jax.tree.map(jnp.copy, model.variables),
            prompts=ModelState.create({"params": jnp.asarray(self.initial_prompts)}, self.prompt_optimiser),
            earlier=tuple(jax.tree.map(jnp.copy, model.params) for _ in range(2)),
            phase=jnp.int32(first),
            since=zero,
            until=jnp.asarray(self._lengths[first], jnp.int32),
            rounds=zero,
            psnr=jnp.zeros(PSNR_STEPS),
        )

    def step(self, state: State, batch: Batch, rp: Probabilities | None, frozen: Variables) -> tuple[State, Metrics]:
        """One update of the prompts or of the network, by the phase of the state."""
        weights = example_weights(batch, rp)
        dark, bright = self.augmented(state, batch)
        phases = _Phases(self, state, weights, dark, bright, frozen)
        newest, previous = state.earlier
        choices = [
            phases.initialise,
            phases.reconstruct,
            phases.enhance,
            lambda: phases.refine(newest),
            lambda: phases.refine(*((newest, previous) if self.form == "official" else (previous, newest))),
        ]
        round_of = jnp.where(state.phase == REFINEMENT, jnp.clip(state.rounds - 1, 0, 1), 0)
        generator, learned, seen = jax.lax.switch(state.phase + round_of, choices)
        ema = moving_average(state.ema, generator.variables, state.step, self.ema_decay)
        metrics = {
            "loss": seen.loss,
            "phase": state.phase.astype(jnp.float32),
            "round": state.rounds.astype(jnp.float32),
            "loss_clip": seen.clip,
            "loss_identity": seen.identity,
            "luma_enhanced": seen.luma,
            "rp_dark": weights.dark.mean(),
            "rp_bright": weights.bright.mean(),
            "finite": jnp.isfinite(seen.loss + seen.gradient).astype(jnp.float32),
        }
        after = dataclasses.replace(state, step=state.step + 1, model=generator, prompts=learned, ema=ema)
        return self._advanced(self._restarted(after, seen.psnr, _keys(state)[2]), seen.unweighted), metrics

    def augmented(self, state: State, batch: Batch) -> tuple[Float[Array, "b s s 3"], Float[Array, "b s s 3"]]:
        """The dark and the bright pictures of a batch as the step from `state` sees them."""
        learns_prompts = (state.phase == PROMPTS) | (state.phase == REFINEMENT)
        zoom = jnp.where(learns_prompts, 0.5, 0.7), jnp.where(learns_prompts, 1.5, 1.3)
        of_dark, of_bright, _ = _keys(state)
        of_bright = jnp.where(state.phase == REFINEMENT, of_dark, of_bright)  # pictures that are ranked move alike
        dark, bright = pictures(batch)
        return warped(dark, of_dark, zoom=zoom), warped(bright, of_bright, zoom=zoom)

    @property
    def _lengths(self) -> tuple[int, ...]:
        lengths = self.lengths
        return lengths.prompts, lengths.reconstruction, lengths.enhancement, lengths.refinement

    def _restarted(self, state: State, psnr: Float[Array, ""], key: Key[Array, ""]) -> State:
        """The state after a step; one of a reconstruction that comes to nothing starts it again."""
        reconstructs = state.phase == RECONSTRUCTION
        last = state.psnr.at[state.since % PSNR_STEPS].set(jnp.where(reconstructs, psnr, 0.0))
        fails = reconstructs & (last.mean() < LEAST_PSNR) & (state.since >= PSNR_AFTER)

        def again():
            return ModelState.create(self.initial(key), self.optimiser)

        return dataclasses.replace(
            state,
            model=jax.lax.cond(fails, again, lambda: state.model),
            since=jnp.where(fails, -1, state.since),  # the step that is being counted does not count
            psnr=jnp.where(fails, 0.0, last),
        )

    def _advanced(self, state: State, loss: Float[Array, ""]) -> State:
        """The state after a step, in the next phase where this one ends."""
        bounds = self.lengths
        since = state.since + 1
        ends = since >= state.until
        bound = jnp.array([bounds.prompts_bound, jnp.inf, bounds.enhancement_bound, bounds.prompts_bound])
        extended = ends & (loss > bound[state.phase])
        extension = jnp.array([100, 0, 60, 100])
        until = state.until + jnp.where(extended, extension[state.phase], 0)

        switches = ends & ~extended
        lengths = jnp.array(self._lengths)
        after_prompts = RECONSTRUCTION if self.lengths.reconstruction else ENHANCEMENT
        following = jnp.array([after_prompts, ENHANCEMENT, REFINEMENT, ENHANCEMENT])
        phase = jnp.where(switches, following[state.phase], state.phase)
        round_ends = switches & (state.phase == ENHANCEMENT)
        newest, previous = state.earlier
        choose = partial(jax.tree.map, lambda new, old: jnp.where(round_ends, new, old))
        return dataclasses.replace(
            state,
            phase=phase,
            since=jnp.where(switches, 0, since),
            until=jnp.where(switches, lengths[phase], until),
            rounds=state.rounds + round_ends,
            earlier=(choose(state.model.params, newest), choose(newest, previous)),
        )


class _Phases(NamedTuple):
    """One step's pictures, and what each phase does with them: both players after it, and what was seen."""

    method: CLIPLIT
    state: State
    weights: Weights
    dark: Float[Array, "b s s 3"]
    bright: Float[Array, "b s s 3"]
    frozen: Variables

    def initialise(self) -> _Outcome:
        """The prompts learn which split a picture is of."""
        features = self._of_pictures(jnp.concatenate([self.dark, self.bright]))
        labels = jnp.repeat(jnp.arange(2), len(self.dark))
        share = jnp.concatenate(self.weights)
        return self._prompts(share, lambda texts: clip_lit.prompt_initialisation(features, texts, labels))

    def reconstruct(self) -> _Outcome:
        """The network learns to leave pictures as they are."""
        before = self._stages(self.dark)

        return self._network(lambda enhanced: (clip_lit.reconstruction(self._stages(enhanced), before), {}))

    def enhance(self) -> _Outcome:
        """The network learns to make pictures that the prompts take for well lit."""
        before, texts = self._stages(self.dark), self._of_texts(self.state.prompts.params)

        def loss_of(enhanced):
            return clip_lit.enhancement(self._of_pictures(enhanced), texts, self._stages(enhanced), before)

        return self._network(loss_of)

    def refine(self, *networks: Any) -> _Outcome:
        """The prompts learn to rank what `networks` (parameters, worse to better) make between dark and bright
        pictures.
        """
        made = (apply(self.method.network, {"params": params}, self.dark)[0] for params in networks)
        features = [self._of_pictures(x) for x in (self.dark, self.bright, *made)]

        def loss_of(texts):
            return clip_lit.prompt_refinement(*(clip_lit.backlit_probability(of_one, texts) for of_one in features))

        return self._prompts(self.weights.dark * self.weights.bright, loss_of)

    def _prompts(self, share: Float[Array, " n"], loss_of: Callable[[Array], Float[Array, " n"]]) -> _Outcome:
        """One update of the prompts by losses of their features, each with its share."""
        model = self.state.prompts

        def loss_of_embeddings(embeddings):
            losses = loss_of(self._of_texts(embeddings))
            return (share * losses).mean(), losses.mean()

        (loss, unweighted), gradients = jax.value_and_grad(loss_of_embeddings, has_aux=True)(model.params)
        model = model.updated(gradients, self.method.prompt_optimiser)
        return _arrays((self.state.model, model, _Seen(loss, unweighted, optax.tree.norm(gradients))))

    def _network(self, loss_of: Callable[[Array], tuple[Array, dict[str, Array]]]) -> _Outcome:
        """One update of the network by losses of what it makes of the dark pictures, and their terms."""

        def loss_of_params(params):
            enhanced, _ = apply(self.method.network, {"params": params}, self.dark)
            losses, terms = loss_of(enhanced)
            seen = {name: term.mean() for name, term in terms.items()}
            seen |= {"luma": mean_luma(enhanced), "psnr": _psnr(enhanced, self.dark), "unweighted": losses.mean()}
            return (self.weights.dark * losses).mean(), seen

        model = self.state.model
        (loss, seen), gradients = jax.value_and_grad(loss_of_params, has_aux=True)(model.params)
        model = model.updated(gradients, self.method.optimiser)
        return _arrays((model, self.state.prompts, _Seen(loss, gradient=optax.tree.norm(gradients), **seen)))

    def _of_texts(self, embeddings: Float[Array, "2 t c"]) -> Float[Array, "2 k"]:
        return apply(self.method.clip.text.module, self.frozen["text"], embeddings, end=end_of())

    def _of_pictures(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b k"]:
        images = normalised(images, resolution=self.method.resolution)
        return apply(self.method.clip.image.module, self.frozen["image"], images)

    def _stages(self, images: Float[Array, "b h w 3"]) -> list[Float[Array, "b _ _ _"]]:
        images = normalised(images, resolution=self.method.resolution)
        return apply(self.method.resnet.module, self.frozen["resnet"], images, stages=True)


def _keys(state: State) -> Key[Array, " 3"]:
    """Of one step: for the augmentation of dark and of bright pictures, and for another start."""
    return jax.random.split(step_key(state), 3)


def _psnr(enhanced: Float[Array, "b h w 3"], images: Float[Array, "b h w 3"]) -> Float[Array, ""]:
    """Mean PSNR in dB of luma in the range of video (219 levels), as the official code measures it."""
    error = ((219 / 255 * (luma(enhanced) - luma(images))) ** 2).mean((1, 2))
    return (-10 * jnp.log10(error + 1e-8)).mean()


def _arrays(outcome: _Outcome) -> _Outcome:
    """With an array for every number, so that all choices give the same types."""
    return jax.tree.map(jnp.asarray, outcome)

"""CLIP-LIT: two prompts learn to distinguish backlit from well-lit images, and a network learns to satisfy them.

Official recipe: whole images of 512x512, batches of 8 (16 for prompts), Adam with weight decay 1e-3, learning rate 2e-5
for the network and 5e-6 for the prompts; 8000 steps in which the prompts learn which split an image is from, 1000 in
which the network learns to reproduce its input, and then rounds: 2100 steps of the network against the prompts, 1000 of
the prompts against the network's images. Phases of the prompts and of the network against them are extended until their
loss is low enough.

Here a step updates either, depending on the phase in the state, so checkpoints, resuming and logs work as for every
method. Differences from the official code, apart from its two batch and image sizes:

* labels come from the split, where the official code searches the images' paths for words;
* the enhanced images with which prompts are refined are computed in the step, from the networks at the ends of the last
  two rounds and the augmented dark images. The official code reads them from folders that it wrote in each round when a
  running mean of the loss was best (mostly early, since that mean starts from zeros), and augments them afterwards;
* its "best" network and prompts are the last ones, as they are in the official code too: it keeps a reference, not a
  copy.

From the second round on, prompts learn to rank the images of the newest network and of the one before it. The official
code ranks the newest lower; `form="paper"` reverses that.

With data uncertainty, RP_d weights the losses of a dark image, RP_b those of a bright one, and RP_d RP_b the ranking,
which compares both (docs/method.md). Whether a phase is extended depends on the unweighted losses.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Key

from drujax.errors import UsageError, check_at_least
from drujax.losses import clip_lit
from drujax.methods.config import TrainConfig
from drujax.methods.single_network import EnhancerMethod, Metrics, apply
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model, Preset, first_output
from drujax.models.clip import ModifiedResNet, TextTransformer, VisionTransformer
from drujax.models.clip.preprocessing import RESOLUTION, normalised
from drujax.models.clip.prompts import CONTEXT, end_of, initial_prompt
from drujax.models.clip_lit import CLIPLIT as Network
from drujax.models.clip_lit import Tile
from drujax.models.layers.initialise import Scheme, initial_variables
from drujax.pictures.color import luma
from drujax.runtime.remote_file import github_file
from drujax.training.augment import warped
from drujax.training.batch import Batch, Probabilities, Weights, example_weights, mean_luma, unit_images
from drujax.training.recipe import Recipe
from drujax.training.state import ModelState, TrainState, Variables, moving_average, step_key
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.pretrained import clip as clip_weights
from drujax.weights.pretrained.clip import CLIP, Encoder
from drujax.weights.torch_names import unwrapped

PROMPTS, RECONSTRUCTION, ENHANCEMENT, REFINEMENT = range(4)  # phases
# The reconstruction restarts from new weights if, after PSNR_AFTER steps, the mean PSNR of the last PSNR_STEPS is lower
# than this: the illumination map may be zero everywhere, without a gradient.
LEAST_PSNR, PSNR_STEPS, PSNR_AFTER = 8.0, 30, 100


@struct.dataclass
class State(TrainState):
    """Training state of CLIP-LIT; `model` is the enhancement network."""

    prompts: ModelState  # params: Float 2 t c, for backlit and well-lit images
    earlier: Any  # parameters of the network at the ends of the last two rounds, newest first
    phase: Any  # Int[Array, ""]
    since: Any  # Int[Array, ""], steps done in the phase
    until: Any  # Int[Array, ""], steps after which the phase ends, if its loss is low enough
    rounds: Any  # Int[Array, ""], rounds of enhancement done
    psnr: Any  # Float[Array, "30"], in the last steps of the reconstruction


class _Report(NamedTuple):
    """What a step reports; zero for terms that its phase does not have."""

    loss: Float[Array, ""]
    unweighted: Float[Array, ""]  # the loss with all weights 1
    gradient: Float[Array, ""]  # norm of the loss's gradient
    luma: Float[Array, ""] | float = 0.0
    psnr: Float[Array, ""] | float = 0.0
    clip: Float[Array, ""] | float = 0.0
    identity: Float[Array, ""] | float = 0.0


_Outcome = tuple[ModelState, ModelState, _Report]  # the network, the prompts


@dataclasses.dataclass(frozen=True)
class PhaseLengths:
    """Lengths of the phases in steps; enhancement and prompts are extended while their loss is above a bound."""

    # Steps in which the prompts learn which split an image is from; none with --clip-lit.prompts.
    prompt_steps: int = 8000
    # Steps in which the network learns to reproduce its input; none with --init.
    reconstruction_steps: int = 1000
    # Steps of a round in which the network learns from the prompts.
    enhancement_steps: int = 2100
    # Steps of a round in which the prompts learn from the network's images.
    refinement_steps: int = 1000
    # Loss of the network above which its phase is extended by 60 steps.
    enhancement_bound: float = 90.0
    # Loss of the prompts above which their phases are extended by 100 steps.
    prompts_bound: float = 60.0

    def __post_init__(self):
        check_at_least(0, prompt_steps=self.prompt_steps, reconstruction_steps=self.reconstruction_steps)
        check_at_least(1, enhancement_steps=self.enhancement_steps, refinement_steps=self.refinement_steps)

    @property
    def steps(self) -> tuple[int, int, int, int]:
        """The lengths in the order of the phases."""
        return self.prompt_steps, self.reconstruction_steps, self.enhancement_steps, self.refinement_steps


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class CLIPLIT(EnhancerMethod):
    """The method (see `drujax.training.method.Method`). `learning_rate` is that of the network that enhances."""

    # CLIP's encoders of images and texts, and the image encoder of the identity loss.
    clip: CLIP
    resnet: Encoder
    # Initial embeddings of the prompts: the same text for both, or learned ones.
    initial_prompts: Float[Array | np.ndarray, "2 t c"]
    prompt_rate: float = 5e-6
    phases: PhaseLengths = PhaseLengths()
    # The order in which prompts rank the images of the last two networks.
    form: Literal["official", "paper"] = "official"
    # Input resolution of the encoders.
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
        phases = self.phases
        first = PROMPTS if phases.prompt_steps else RECONSTRUCTION if phases.reconstruction_steps else ENHANCEMENT
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
            until=jnp.asarray(phases.steps[first], jnp.int32),
            rounds=zero,
            psnr=jnp.zeros(PSNR_STEPS),
        )

    def step(self, state: State, batch: Batch, rp: Probabilities | None, frozen: Variables) -> tuple[State, Metrics]:
        """Updates the prompts or the network, depending on the phase."""
        weights = example_weights(batch, rp)
        dark, bright = self.augmented(state, batch)
        phases = _Phases(self, state, weights, dark, bright, frozen)
        newest, previous = state.earlier
        branches = [
            phases.initialise,
            phases.reconstruct,
            phases.enhance,
            lambda: phases.refine(newest),
            lambda: phases.refine(*((newest, previous) if self.form == "official" else (previous, newest))),
        ]
        round_of = jnp.where(state.phase == REFINEMENT, jnp.clip(state.rounds - 1, 0, 1), 0)
        generator, learned, report = jax.lax.switch(state.phase + round_of, branches)
        ema = moving_average(state.ema, generator.variables, state.step, self.ema_decay)
        metrics = {
            "loss": report.loss,
            "phase": state.phase.astype(jnp.float32),
            "round": state.rounds.astype(jnp.float32),
            "loss_clip": report.clip,
            "loss_identity": report.identity,
            "luma_enhanced": report.luma,
            "rp_dark": weights.dark.mean(),
            "rp_bright": weights.bright.mean(),
            "finite": jnp.isfinite(report.loss + report.gradient).astype(jnp.float32),
        }
        after = dataclasses.replace(state, step=state.step + 1, model=generator, prompts=learned, ema=ema)
        return self._advanced(self._restarted(after, report.psnr, _keys(state)[2]), report.unweighted), metrics

    def augmented(self, state: State, batch: Batch) -> tuple[Float[Array, "b s s 3"], Float[Array, "b s s 3"]]:
        """Returns the dark and the bright images of a batch, augmented as in the step from `state`."""
        learns_prompts = (state.phase == PROMPTS) | (state.phase == REFINEMENT)
        zoom = jnp.where(learns_prompts, 0.5, 0.7), jnp.where(learns_prompts, 1.5, 1.3)
        dark_key, bright_key, _ = _keys(state)
        # Images that are ranked against each other share their augmentation.
        bright_key = jnp.where(state.phase == REFINEMENT, dark_key, bright_key)
        dark, bright = unit_images(batch)
        return warped(dark, dark_key, zoom=zoom), warped(bright, bright_key, zoom=zoom)

    def _restarted(self, state: State, psnr: Float[Array, ""], key: Key[Array, ""]) -> State:
        """Restarts a reconstruction whose PSNR stays below LEAST_PSNR."""
        reconstructs = state.phase == RECONSTRUCTION
        last = state.psnr.at[state.since % PSNR_STEPS].set(jnp.where(reconstructs, psnr, 0.0))
        fails = reconstructs & (last.mean() < LEAST_PSNR) & (state.since >= PSNR_AFTER)

        def again():
            return ModelState.create(self.initial(key), self.optimiser)

        return dataclasses.replace(
            state,
            model=jax.lax.cond(fails, again, lambda: state.model),
            since=jnp.where(fails, -1, state.since),  # `_advanced` adds 1
            psnr=jnp.where(fails, 0.0, last),
        )

    def _advanced(self, state: State, loss: Float[Array, ""]) -> State:
        """Counts a step, and starts the next phase if this one ends."""
        bounds = self.phases
        since = state.since + 1
        ends = since >= state.until
        bound = jnp.array([bounds.prompts_bound, jnp.inf, bounds.enhancement_bound, bounds.prompts_bound])
        extended = ends & (loss > bound[state.phase])
        extension = jnp.array([100, 0, 60, 100])
        until = state.until + jnp.where(extended, extension[state.phase], 0)

        switches = ends & ~extended
        lengths = jnp.array(self.phases.steps)
        after_prompts = RECONSTRUCTION if self.phases.reconstruction_steps else ENHANCEMENT
        next_phase = jnp.array([after_prompts, ENHANCEMENT, REFINEMENT, ENHANCEMENT])
        phase = jnp.where(switches, next_phase[state.phase], state.phase)
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
    """The updates of the phases; each returns the network and the prompts after a step, and its report."""

    method: CLIPLIT
    state: State
    weights: Weights
    dark: Float[Array, "b s s 3"]
    bright: Float[Array, "b s s 3"]
    frozen: Variables

    def initialise(self) -> _Outcome:
        """Trains the prompts to classify images as dark or bright."""
        features = self._image_features(jnp.concatenate([self.dark, self.bright]))
        labels = jnp.repeat(jnp.arange(2), len(self.dark))
        weights = jnp.concatenate(self.weights)
        return self._prompts(weights, lambda texts: clip_lit.prompt_initialisation(features, texts, labels))

    def reconstruct(self) -> _Outcome:
        """Trains the network to reproduce its input."""
        before = self._stages(self.dark)

        return self._network(lambda enhanced: (clip_lit.reconstruction(self._stages(enhanced), before), {}))

    def enhance(self) -> _Outcome:
        """Trains the network to produce images that the prompts classify as well lit."""
        before, texts = self._stages(self.dark), self._text_features(self.state.prompts.params)

        def loss_of(enhanced):
            return clip_lit.enhancement(self._image_features(enhanced), texts, self._stages(enhanced), before)

        return self._network(loss_of)

    def refine(self, *networks: Any) -> _Outcome:
        """Trains the prompts to rank the outputs of `networks` (parameters, worse to better) between dark and bright
        images.
        """
        outputs = (apply(self.method.network, {"params": params}, self.dark)[0] for params in networks)
        features = [self._image_features(x) for x in (self.dark, self.bright, *outputs)]

        def loss_of(texts):
            return clip_lit.prompt_refinement(*(clip_lit.backlit_probability(each, texts) for each in features))

        return self._prompts(self.weights.dark * self.weights.bright, loss_of)

    def _prompts(self, weights: Float[Array, " n"], loss_of: Callable[[Array], Float[Array, " n"]]) -> _Outcome:
        """Updates the prompts; `loss_of` maps their text features to losses, weighted by `weights`."""
        model = self.state.prompts

        def loss_of_embeddings(embeddings):
            losses = loss_of(self._text_features(embeddings))
            return (weights * losses).mean(), losses.mean()

        (loss, unweighted), gradients = jax.value_and_grad(loss_of_embeddings, has_aux=True)(model.params)
        model = model.updated(gradients, self.method.prompt_optimiser)
        return _arrays((self.state.model, model, _Report(loss, unweighted, optax.tree.norm(gradients))))

    def _network(self, loss_of: Callable[[Array], tuple[Array, dict[str, Array]]]) -> _Outcome:
        """Updates the network; `loss_of` maps its enhanced dark images to losses and their terms."""

        def loss_of_params(params):
            enhanced, _ = apply(self.method.network, {"params": params}, self.dark)
            losses, terms = loss_of(enhanced)
            report = {name: term.mean() for name, term in terms.items()}
            report |= {"luma": mean_luma(enhanced), "psnr": _psnr(enhanced, self.dark), "unweighted": losses.mean()}
            return (self.weights.dark * losses).mean(), report

        model = self.state.model
        (loss, report), gradients = jax.value_and_grad(loss_of_params, has_aux=True)(model.params)
        model = model.updated(gradients, self.method.optimiser)
        return _arrays((model, self.state.prompts, _Report(loss, gradient=optax.tree.norm(gradients), **report)))

    def _text_features(self, embeddings: Float[Array, "2 t c"]) -> Float[Array, "2 k"]:
        return apply(self.method.clip.text.module, self.frozen["text"], embeddings, end=end_of())

    def _image_features(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b k"]:
        images = normalised(images, resolution=self.method.resolution)
        return apply(self.method.clip.image.module, self.frozen["image"], images)

    def _stages(self, images: Float[Array, "b h w 3"]) -> list[Float[Array, "b _ _ _"]]:
        images = normalised(images, resolution=self.method.resolution)
        return apply(self.method.resnet.module, self.frozen["resnet"], images, stages=True)


def _keys(state: State) -> Key[Array, " 3"]:
    """Returns a step's keys: augmentation of dark and of bright images, and new initial weights."""
    return jax.random.split(step_key(state), 3)


def _psnr(enhanced: Float[Array, "b h w 3"], images: Float[Array, "b h w 3"]) -> Float[Array, ""]:
    """Mean PSNR in dB of luma in video range (219 levels), as in the official code."""
    error = ((219 / 255 * (luma(enhanced) - luma(images))) ** 2).mean((1, 2))
    return (-10 * jnp.log10(error + 1e-8)).mean()


def _arrays(outcome: _Outcome) -> _Outcome:
    """Converts numbers to arrays, so that all phases return the same types."""
    return jax.tree.map(jnp.asarray, outcome)


TINY = 64  # side of the images of tiny encoders


@dataclasses.dataclass(frozen=True)
class Options(PhaseLengths):
    """CLIP-LIT's own options."""

    # CLIP's ViT-B/32 and its text encoder: openai (downloaded), a file, random (not trained), or tiny (for trials).
    clip: str = "openai"
    # CLIP's RN101 for the identity loss: openai (downloaded), a file, random, or tiny.
    resnet: str = "openai"
    # Checkpoint with prompts to start from (embedding_prompt, 2 x 77 x 512) instead of learning them first.
    prompts: Path | None = None
    # Learning rate of the prompts.
    prompt_rate: float = 5e-6

    @property
    def downloads(self) -> tuple[str, ...]:
        """The weights that are downloaded, in words."""
        return ("CLIP's weights",) if "openai" in (self.clip, self.resnet) else ()


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The configuration of a run of CLIP-LIT."""

    # Networks and losses of CLIP-LIT.
    clip_lit: Options = Options()


def build(config: Config, learning_rate: optax.Schedule | float) -> CLIPLIT:
    """Return the method of a configuration. Raises UsageError where CLIP's weights or the prompts cannot be read."""
    options = config.clip_lit
    clip, resnet, resolution = _encoders(options)
    if options.prompts is None:
        prompts = np.stack([np.asarray(initial_prompt(clip.words))] * 2)
    else:
        prompts = _read_prompts(options.prompts, clip.words.shape[1])
    # Given prompts and weights need not be learned first.
    given = {**({"prompt_steps": 0} if options.prompts else {}), **({"reconstruction_steps": 0} if config.init else {})}
    return CLIPLIT(
        learning_rate=learning_rate,
        ema_decay=config.recipe.ema_decay,
        clip=clip,
        resnet=resnet,
        initial_prompts=prompts,
        prompt_rate=options.prompt_rate,
        phases=dataclasses.replace(options, **given),
        form=config.recipe.loss_form,
        resolution=resolution,
    )


def _encoders(options: Options) -> tuple[CLIP, Encoder, int]:
    """Return CLIP's ViT-B/32 with its texts, RN101, and the side of the images that both take."""
    if options.clip == "tiny":
        tiny = VisionTransformer(width=64, layers=1, embedding=16), TextTransformer(64, 1, 16)
        clip = clip_weights.random_clip(*tiny, resolution=TINY)
    else:
        clip = clip_weights.load_clip(options.clip, argument="clip")
    if options.resnet == "tiny":
        resnet = clip_weights.random_encoder(ModifiedResNet((1, 1, 1, 1), 4, 2, 16), clip_weights.image_shape(TINY))
    else:
        resnet = clip_weights.load_clip_resnet(options.resnet, argument="resnet")
    # Only RN101's stages are used, and they take any size.
    return clip, resnet, TINY if options.clip == "tiny" else RESOLUTION


def _read_prompts(path: Path, width: int) -> Float[np.ndarray, "2 t c"]:
    """Return the learned prompts of a checkpoint of the official code."""
    prompts = unwrapped(read_checkpoint(path)).get("embedding_prompt")
    if prompts is None or prompts.shape != (2, CONTEXT, width):
        found = "no such array" if prompts is None else f"shape {prompts.shape}"
        raise UsageError(f"prompts: {path} must hold embedding_prompt of shape (2, {CONTEXT}, {width}), got {found}")
    return prompts


def _run_tile(network: Network, images: Any, inputs: Mapping[str, Any]) -> Any:
    tile = Tile(**inputs)
    found = network(images, tile)
    return found if tile.pooled is None else found[0]


SPEC = MethodSpec(
    summary="CLIP-LIT: iterative prompt learning for backlit images (Liang et al., ICCV 2023)",
    build=build,
    recipe=Recipe(size=512, view="whole", batch_size=8, steps=50_000, decay_epochs=0, learning_rate=2e-5),
    presets={
        "laptop": Preset(
            {"size": 256, "batch_size": 4, "steps": 2000},
            {"prompt_steps": 400, "reconstruction_steps": 200, "enhancement_steps": 400, "refinement_steps": 100},
        ),
        "embedded": Preset(
            {"size": 96, "batch_size": 4, "steps": 400},
            {"prompt_steps": 100, "reconstruction_steps": 60, "enhancement_steps": 100, "refinement_steps": 40},
        ),
        "debug": Preset(
            options={
                "clip": "tiny",
                "resnet": "tiny",
                "prompt_steps": 1,
                "reconstruction_steps": 1,
                "enhancement_steps": 1,
                "refinement_steps": 1,
                "enhancement_bound": 1e9,
                "prompts_bound": 1e9,
            }
        ),
        # The first round of enhancement; most training steps are of this phase.
        "benchmark": Preset(
            options={"clip": "random", "resnet": "random", "prompt_steps": 0, "reconstruction_steps": 0}
        ),
    },
    config=Config,
    network=EnhancerNetwork(
        summary="CLIP-LIT's enhancement network (278,790 parameters)",
        build=Network,
        run=first_output,
        run_tile=_run_tile,
        options={"padding": "reflect", "epsilon": 0.0},
        choices={"padding": ("reflect", "zeros")},
        licence="none stated",
    ),
    models=(
        Model(
            "clip-lit",
            "CLIP-LIT's released weights",
            file=github_file(
                "clip-lit-official",
                "CLIP-LIT's released enhancement_model.pth",
                "ZhexinLiang/CLIP-LIT",
                "648cf29f1107c085b5b80ec94ef7c7f15bc15006",
                "pretrained_models/enhancement_model.pth",
                "clip_lit_enhancement_model.pth",
                licence="none stated",
                size=1_126_923,
                sha256="67aa1bdbac345842670e494b02953f299e5088bcb3f98a18bd60b06fef48b5c9",
            ),
        ),
    ),
    files=(clip_weights.VIT, clip_weights.RESNET),
    init_files=lambda options: {"prompts": options.prompts},
    downloads=lambda options: options.downloads,
)

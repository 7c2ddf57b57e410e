"""What `experiments.train` can be asked for, and the recipes behind its presets."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from drujax.errors import UsageError
from drujax.training.loop import LoopOptions
from drujax.uncertainty.config import ProbabilityRecipe

MethodName = Literal["enlightengan", "exposure", "zero_dce_pp", "sci", "ruas", "ruas_search", "clip_lit"]
Backbone = Literal["resnet18", "resnet50", "mobilenet_v2", "vgg13_bn", "vgg19", "vit_b16", "centroid", "none"]
# The methods whose losses DRU weights unasked: the paper's own, and the start for it.
WITH_UNCERTAINTY = ("enlightengan", "exposure")
# Sides of the least pictures that the losses can look at: differences two pixels wide, means of 16x16.
SMALLEST = {"sci": 3, "ruas": 3, "ruas_search": 3, "zero_dce_pp": 16}


def _at_least(least: int, prefix: str, **values: int | None) -> None:
    """Raises UsageError for a value that is given and under `least`."""
    for name, value in values.items():
        if value is not None and value < least:
            raise UsageError(f"{prefix}{name.replace('_', '-')}: {value} is under {least}")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a method is trained, by default as its official code does it."""

    # Side of the training pictures, and what they are: random crops, or whole pictures resized without their aspect.
    size: int = 320
    view: Literal["crop", "whole"] = "crop"
    # Mirrors half of the pictures sideways, and half upside down.
    flips: bool = True
    # Dark pictures of a step, and as many bright ones.
    batch_size: int = 32
    # Epochs of the schedule at a constant learning rate, and those over which it falls to zero.
    constant_epochs: int = 100
    decay_epochs: int = 100
    # Steps in all; the epochs of the schedule shrink or stretch to fit. By default the epochs count pictures.
    steps: int | None = None
    learning_rate: float = 1e-4
    # Which dark and bright picture meet: anew each epoch, or always the same two as in the official EnlightenGAN.
    pairing: Literal["random", "official"] = "random"
    # Losses of the compared methods, where the official code and the paper differ (docs/method.md).
    loss_form: Literal["official", "paper"] = "official"
    # Decay of a moving average of the network that enhances, which then is what is sampled and released.
    ema_decay: float | None = None

    def __post_init__(self):
        _at_least(1, "--recipe.", size=self.size, batch_size=self.batch_size, steps=self.steps)
        _at_least(0, "--recipe.", constant_epochs=self.constant_epochs, decay_epochs=self.decay_epochs)
        if self.constant_epochs + self.decay_epochs == 0:
            raise UsageError("--recipe.constant-epochs: with --recipe.decay-epochs there are none")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--recipe.learning-rate: {self.learning_rate} is no positive number")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise UsageError(f"--recipe.ema-decay: {self.ema_decay} is not between 0 and 1")


@dataclasses.dataclass(frozen=True)
class GAN:
    """What EnlightenGAN has beyond that, and the exposure start of its generator."""

    # VGG16 of the self-feature-preserving loss: "imagenet" (downloaded), a file, or "random" (not trained).
    perceptual: str = "imagenet"
    # Factors of the losses: those of the official code, or eqs. 5-8 to the letter.
    loss_scale: Literal["official", "paper"] = "official"
    # Random patches per picture for the local discriminator, and their side.
    patches: int = 6
    patch_size: int = 32
    # Corner convention of the bilinear upsampling; the official release was trained with True.
    align_corners: bool = False
    # Chunks of the batch with batch statistics of their own; 3 is the official training on three GPUs.
    ghost_batches: int = 1
    # The generator normalises by its running statistics as they are at the start, as it will when it enhances: for
    # --init, where small batches would train it for statistics that no whole picture has.
    frozen_batch_norm: bool = False
    # Weight of the exposure reconstruction beside the losses of the paper, and steps in which the generator rests while
    # the discriminators learn. The rest is for --init: adversarial training alone forgets its start before it is of
    # use.
    reconstruction: float = 0.0
    generator_rests: int = 0
    # Arithmetic of the networks; parameters, statistics and losses are float32 in any case.
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Channels of the first layers of generator, discriminators and random VGG16 (official: 32, 64, 64).
    width: int = 32
    discriminator_features: int = 64
    perceptual_width: int = 64


@dataclasses.dataclass(frozen=True)
class RUAS:
    """What RUAS has beyond that."""

    # Trains on the first dark picture alone, as the released trainer does.
    one_picture: bool = False
    # Steps from one update of the noise removal to the next.
    denoise_every: int = 50
    # Checkpoint that the noise removal starts from, as the official one starts from model/denoise.pt.
    denoiser: Path | None = None
    # Run of --method=ruas_search, or its weights, whose architecture is trained instead of the released one.
    architecture: Path | None = None

    def __post_init__(self):
        _at_least(1, "--ruas.", denoise_every=self.denoise_every)


@dataclasses.dataclass(frozen=True)
class CLIPLIT:
    """What CLIP-LIT has beyond that."""

    # CLIP's ViT-B/32 and RN101: "openai" (downloaded), a file, "random" (not trained), or "tiny" (nor of its size).
    clip: str = "openai"
    resnet: str = "openai"
    # Prompts to start from (a checkpoint with embedding_prompt, 2 x 77 x 512) instead of learning them first.
    prompts: Path | None = None
    prompt_rate: float = 5e-6
    # Steps in which the prompts learn which split a picture is of, and the network to leave pictures as they are; with
    # --clip-lit.prompts and --init there are none.
    prompt_steps: int = 8000
    reconstruction_steps: int = 1000
    # Steps of a round: the network against the prompts, and the prompts against what the network has made.
    enhancement_steps: int = 2100
    refinement_steps: int = 1000
    # Losses above which a phase goes on for longer: of the network, and of prompts.
    enhancement_bound: float = 90.0
    prompts_bound: float = 60.0

    def __post_init__(self):
        _at_least(0, "--clip-lit.", prompt_steps=self.prompt_steps, reconstruction_steps=self.reconstruction_steps)
        _at_least(1, "--clip-lit.", enhancement_steps=self.enhancement_steps, refinement_steps=self.refinement_steps)


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a network that brightens anime scenery."""

    # Folder made by experiments.prepare; without it the run paints and uses synthetic scenes.
    data: Path | None = None
    # Where the run lives; by default runs/<method>-<backbone>[-<preset>].
    workdir: Path | None = None
    # paper, laptop, debug, or embedded: defaults for everything below ("paper" with --data, "embedded" without).
    preset: str = "paper"
    method: MethodName = "enlightengan"
    # Probability network; "none" trains the method without data uncertainty (Vanilla).
    backbone: Backbone = "vit_b16"
    # Weights the losses of a compared method by relativistic probabilities; EnlightenGAN's are, with any backbone.
    dru: bool = False
    # Weights that the probability network starts from: "imagenet" (downloaded), "none", or a file.
    pretrained: str = "imagenet"
    # Weights (.safetensors) that the network starts from, instead of the official random ones.
    init: Path | None = None
    seed: int = 0
    # Processes that decode pictures; 0 decodes in the training process.
    workers: int = 0
    # Scenes to paint where there is no --data, and their side.
    scenes: int = 600
    scene_size: int = 96
    # Of training on several machines, which share the folders: host:port of the first process, or "auto" where the
    # cluster says it.
    coordinator: str | None = None
    processes: int | None = None
    process_index: int | None = None
    probability: ProbabilityRecipe = ProbabilityRecipe()
    recipe: Recipe = Recipe()
    gan: GAN = GAN()
    ruas: RUAS = RUAS()
    clip_lit: CLIPLIT = CLIPLIT()
    loop: LoopOptions = LoopOptions()

    def __post_init__(self):
        least = SMALLEST.get(self.method, 1)
        if self.recipe.size < least:
            raise UsageError(f"--recipe.size: {self.recipe.size} is under {least}, as the losses of {self.method} need")
        files = {
            "--init": self.init,
            "--ruas.denoiser": self.ruas.denoiser,
            "--clip-lit.prompts": self.clip_lit.prompts,
        }
        for argument, path in files.items():
            if path is not None and not path.is_file():
                raise UsageError(f"{argument}: {path} is no file")
        if self.dru and self.backbone == "none":
            raise UsageError("--dru: needs a probability network, but --backbone is none")
        if self.method == "ruas_search" and self.recipe.batch_size % 2:
            raise UsageError(f"--recipe.batch-size: {self.recipe.batch_size} has no halves, as ruas_search needs")
        if self.gan.frozen_batch_norm and self.init is None:
            raise UsageError("--gan.frozen-batch-norm: without --init there are no statistics to keep")

    @property
    def uncertainty(self) -> Backbone:
        """The probability network that weights the losses; "none" where none does."""
        return self.backbone if self.dru or self.method in WITH_UNCERTAINTY else "none"


# What may change between two starts of one run.
FREE = ("workdir", "loop", "workers", "preset", "coordinator", "processes", "process_index")

# The official recipes. SCI's takes whole pictures of any size, one a step; drujax compiles for one size, so it crops.
OFFICIAL: Mapping[str, Recipe] = {
    "enlightengan": Recipe(),
    "exposure": Recipe(),
    "zero_dce_pp": Recipe(
        size=512, view="whole", flips=False, batch_size=4, constant_epochs=100, decay_epochs=0, learning_rate=1e-4
    ),
    "sci": Recipe(flips=False, batch_size=1, constant_epochs=1000, decay_epochs=0, learning_rate=3e-4),
    "ruas": Recipe(flips=False, batch_size=1, steps=800, decay_epochs=0, learning_rate=0.015),
    # One picture for the networks, and one for the tables of shares.
    "ruas_search": Recipe(flips=False, batch_size=2, constant_epochs=20, decay_epochs=0, learning_rate=0.005),
    "clip_lit": Recipe(size=512, view="whole", batch_size=8, steps=50_000, decay_epochs=0, learning_rate=2e-5),
}
# What the small presets change of them.
LAPTOP: Mapping[str, dict[str, Any]] = {
    "enlightengan": {"size": 128, "batch_size": 4, "steps": 1000, "learning_rate": 3e-4, "ema_decay": 0.99},
    "zero_dce_pp": {"size": 128, "steps": 2000, "learning_rate": 5e-4},
    "sci": {"size": 256, "steps": 4000},
    "ruas": {"size": 256},
    "ruas_search": {"size": 128, "steps": 2000},
    "clip_lit": {"size": 256, "batch_size": 4, "steps": 2000},
}
EMBEDDED: Mapping[str, dict[str, Any]] = {
    "enlightengan": {"size": 64, "batch_size": 4, "steps": 240, "learning_rate": 4e-4, "ema_decay": 0.97},
    "zero_dce_pp": {"size": 96, "steps": 600, "learning_rate": 1e-3},
    "sci": {"size": 96, "steps": 1200, "learning_rate": 1e-3},
    "ruas": {"size": 96, "steps": 800},
    "ruas_search": {"size": 64, "steps": 400},
    "clip_lit": {"size": 96, "batch_size": 4, "steps": 400},
}
DEBUG = {"size": 40, "batch_size": 4, "steps": 4}


def preset(name: str, method: str) -> Config:
    """The defaults that --preset=`name` and --method=`method` stand for."""
    official = OFFICIAL[method]
    like = "enlightengan" if method == "exposure" else method

    def recipe(changes: dict[str, Any]) -> Recipe:
        return dataclasses.replace(official, **changes)

    match name:
        case "paper":
            config = Config(recipe=official)
        case "laptop":
            config = Config(
                probability=ProbabilityRecipe(epochs=200, balanced=True, freeze_features=True),
                recipe=recipe(LAPTOP[like]),
                # Without the reconstruction, so few steps teach the generator to give back what it gets.
                gan=GAN(patches=3, reconstruction=10.0),
                clip_lit=CLIPLIT(
                    prompt_steps=400, reconstruction_steps=200, enhancement_steps=400, refinement_steps=100
                ),
                loop=LoopOptions(log_every=20, sample_every=200, save_every=100),
            )
        case "embedded":
            config = Config(
                pretrained="none",
                probability=ProbabilityRecipe(
                    epochs=6,
                    batch_size=32,
                    optimiser="adam",
                    learning_rate=1e-4,
                    resolution=32,
                    mixup=1.0,
                    balanced=True,
                ),
                recipe=recipe(EMBEDDED[like]),
                gan=GAN(perceptual="random", patches=2),
                clip_lit=CLIPLIT(prompt_steps=100, reconstruction_steps=60, enhancement_steps=100, refinement_steps=40),
                loop=LoopOptions(log_every=20, sample_every=120, save_every=60),
            )
        case _:
            config = Config(
                pretrained="none",
                scenes=40,
                scene_size=48,
                probability=ProbabilityRecipe(epochs=1, batch_size=8, optimiser="adam", resolution=32),
                recipe=recipe(DEBUG),
                gan=GAN(perceptual="random", patches=2, width=4, discriminator_features=4, perceptual_width=4),
                clip_lit=CLIPLIT(
                    clip="tiny",
                    resnet="tiny",
                    prompt_steps=1,
                    reconstruction_steps=1,
                    enhancement_steps=1,
                    refinement_steps=1,
                    enhancement_bound=1e9,
                    prompts_bound=1e9,
                ),
                loop=LoopOptions(log_every=1, sample_every=2, save_every=2),
            )
    return dataclasses.replace(config, preset=name, method=method)


PRESETS = ("paper", "laptop", "embedded", "debug")

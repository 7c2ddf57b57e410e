"""The main job: probability network -> relativistic probabilities -> DRU-EnlightenGAN -> weights.

    python -m experiments.train --backbone=vit_b16              # on the embedded scenes, about ten minutes on two cores
    python -m experiments.train --data=D --backbone=vit_b16     # the paper's recipe on a dataset of experiments.prepare
    python -m experiments.train --data=D --backbone=none        # Vanilla EnlightenGAN on the same

The same command goes on where a stopped run was. The folder `--workdir` gets config.json, probability.json (and .png,
.safetensors), relativistic_probabilities.npz, metrics.jsonl, samples/, checkpoints/ and, at the end,
weights.safetensors.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any, Literal

from drujax import entry
from drujax.errors import UsageError
from drujax.training.loop import LoopOptions
from drujax.uncertainty.recipe import ProbabilityRecipe

BACKBONES = Literal["resnet18", "resnet50", "mobilenet_v2", "vgg13_bn", "vgg19", "vit_b16", "centroid", "none"]


@dataclasses.dataclass(frozen=True)
class GAN:
    """EnlightenGAN, by default as the official code trains it."""

    # Side of the random crops.
    crop: int = 320
    batch_size: int = 32
    # Epochs of the schedule at a constant learning rate, and those over which it falls to zero.
    constant_epochs: int = 100
    decay_epochs: int = 100
    # Steps in all; the epochs of the schedule shrink or stretch to fit. By default the epochs count pictures.
    steps: int | None = None
    learning_rate: float = 1e-4
    # VGG16 of the self-feature-preserving loss: "imagenet" (downloaded), a file, or "random" (not trained).
    perceptual: str = "imagenet"
    # Factors of the losses: those of the official code, or eqs. 5-8 to the letter.
    loss_scale: Literal["official", "paper"] = "official"
    # Which dark and bright picture meet: anew each epoch, or always the same two as in the official code.
    pairing: Literal["random", "official"] = "random"
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
    # the discriminators learn. Both are for --init: adversarial training alone forgets its start before it is of use.
    reconstruction: float = 0.0
    generator_rests: int = 0
    # Arithmetic of the networks; parameters, statistics and losses are float32 in any case.
    dtype: Literal["float32", "bfloat16"] = "float32"
    # Decay of a moving average of the generator, which then is what is sampled and released.
    ema_decay: float | None = None
    # Channels of the first layers of generator, discriminators and random VGG16 (official: 32, 64, 64).
    width: int = 32
    discriminator_features: int = 64
    perceptual_width: int = 64


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a network that brightens anime scenery."""

    # Folder made by experiments.prepare; without it the run paints and uses synthetic scenes.
    data: Path | None = None
    # Where the run lives; by default runs/<method>-<backbone>[-<preset>].
    workdir: Path | None = None
    # paper, laptop, debug, or embedded: defaults for everything below ("paper" with --data, "embedded" without).
    preset: str = "paper"
    method: Literal["enlightengan", "exposure"] = "enlightengan"
    # Probability network; "none" trains the method without data uncertainty (Vanilla).
    backbone: BACKBONES = "vit_b16"
    # Weights that the probability network starts from: "imagenet" (downloaded), "none", or a file.
    pretrained: str = "imagenet"
    # Weights (.safetensors) that the generator starts from, instead of the official random ones.
    init: Path | None = None
    seed: int = 0
    # Processes that decode pictures; 0 decodes in the training process.
    workers: int = 0
    # Scenes to paint where there is no --data, and their side.
    scenes: int = 600
    scene_size: int = 96
    # Of training on several machines: host:port of the first process, or "auto" where the cluster says it.
    coordinator: str | None = None
    processes: int | None = None
    process_index: int | None = None
    probability: ProbabilityRecipe = ProbabilityRecipe()
    gan: GAN = GAN()
    loop: LoopOptions = LoopOptions()


PRESETS = {
    "paper": Config(),
    "laptop": Config(
        preset="laptop",
        probability=ProbabilityRecipe(epochs=200, balanced=True, freeze_features=True),
        gan=GAN(crop=128, batch_size=8, steps=2000, learning_rate=2e-4, patches=3, ema_decay=0.99),
        loop=LoopOptions(log_every=20, sample_every=200, save_every=100),
    ),
    "embedded": Config(
        preset="embedded",
        pretrained="none",
        probability=ProbabilityRecipe(
            epochs=6, batch_size=32, optimiser="adam", learning_rate=1e-4, resolution=32, mixup=1.0, balanced=True
        ),
        gan=GAN(crop=64, batch_size=4, steps=240, learning_rate=4e-4, perceptual="random", patches=2, ema_decay=0.97),
        loop=LoopOptions(log_every=20, sample_every=120, save_every=60),
    ),
    "debug": Config(
        preset="debug",
        pretrained="none",
        scenes=40,
        scene_size=48,
        probability=ProbabilityRecipe(epochs=1, batch_size=8, optimiser="adam", resolution=32),
        gan=GAN(
            crop=40,
            batch_size=4,
            steps=4,
            perceptual="random",
            patches=2,
            width=4,
            discriminator_features=4,
            perceptual_width=4,
        ),
        loop=LoopOptions(log_every=1, sample_every=2, save_every=2),
    ),
}
# What may change between two starts of one run.
FREE = ("workdir", "loop", "workers", "preset", "coordinator", "processes", "process_index")


def main(config: Config) -> int:
    """Trains as `config` says; see the module."""
    print(headline(config), flush=True)
    import jax
    import numpy as np

    from drujax.compilation import enable_compilation_cache
    from drujax.data.pipeline import fixed_examples, to_devices, train_batches
    from drujax.training import mesh as meshes
    from drujax.training.initial import start_from
    from drujax.training.loop import NotFinite, Stopped, train
    from drujax.training.release import release
    from drujax.training.samples import grid
    from drujax.training.workdir import claim

    # Devices and the run's folder.
    enable_compilation_cache()
    meshes.join_processes(config.coordinator, config.processes, config.process_index)
    mesh = meshes.data_mesh()
    # Refusals before the long work.
    meshes.local_batch_size(config.gan.batch_size, mesh)
    if config.gan.frozen_batch_norm and config.init is None:
        raise UsageError("--gan.frozen-batch-norm: without --init there are no statistics to keep")
    workdir = config.workdir or default_workdir(config)
    claim(workdir, config, free=FREE)

    # Data and relativistic probabilities.
    dataset = open_dataset(config, workdir)
    rp = relativistic_probabilities(config, dataset, workdir)

    # Method and state.
    steps, steps_per_epoch = schedule_length(config, dataset)
    method = build_method(config, steps_per_epoch)
    state = meshes.create(method, config.seed, mesh)
    if config.init is not None:
        state = start_from(state, config.init, mesh)
    step = meshes.compile_step(method, mesh)
    rp, frozen = (meshes.put(tree, meshes.replicated(mesh)) for tree in (rp, method.frozen))

    # Training.
    def batches_from(start: int):
        process = (jax.process_index(), jax.process_count())
        batches = train_batches(
            dataset,
            crop=config.gan.crop,
            batch_size=config.gan.batch_size,
            seed=config.seed,
            pairing=config.gan.pairing,
            start_step=start,
            workers=config.workers,
            process=process,
        )
        return to_devices(batches, meshes.split(mesh))

    examples = fixed_examples(dataset, 6, config.gan.crop)
    preview = jax.jit(method.preview)
    try:
        state = train(
            state,
            lambda state, batch: step(state, batch, rp, frozen),
            batches_from,
            steps=steps,
            workdir=workdir,
            options=config.loop,
            sample=lambda state: grid(examples, jax.tree.map(np.asarray, preview(state, examples))),
        )
    except Stopped as stopped:
        print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        return stopped.exit_code
    except NotFinite as error:
        print(f"experiments.train: {error}", file=sys.stderr)
        return 1

    # Weights.
    if jax.process_index() == 0:
        path = release(method, state, workdir, about=about(config, dataset))
        print(f"{path}\nTry it: drujax enhance DARK_PICTURE --model={workdir}")
    return 0


def headline(config: Config) -> str:
    """What this run does, in its first line."""
    gan, probability = config.gan, config.probability
    network = {
        "none": "without data uncertainty (Vanilla)",
        "centroid": f"with centroids of {probability.centroid_features}'s features",
    }.get(config.backbone, f"with the probability network {config.backbone}")
    recipe = (
        f"{config.method} {network}, crops of {gan.crop}x{gan.crop}, batch {gan.batch_size}, "
        f"{gan.steps or 'epochs of'} {'steps' if gan.steps else 'the dataset'}"
    )
    if config.data is not None:
        return f"Training on {config.data}, preset {config.preset}: {recipe}."
    return (
        f"Training on {config.scenes} embedded synthetic scenes of {config.scene_size}x{config.scene_size}, preset "
        f"{config.preset}: {recipe}. Nothing is downloaded: the probability network learns from scratch at "
        f"{probability.resolution}x{probability.resolution} with {probability.optimiser}, and the "
        "self-feature-preserving loss looks through a VGG16 with random weights. The paper's recipe on your pictures: "
        "python -m experiments.prepare --source=PICTURES --out=D, then "
        f"python -m experiments.train --data=D --backbone={config.backbone}"
    )


def default_workdir(config: Config) -> Path:
    """runs/<method>-<backbone>, with the preset where it is not the paper's."""
    preset = "" if config.preset == "paper" else f"-{config.preset}"
    return Path("runs") / f"{config.method}-{config.backbone}{preset}"


def open_dataset(config: Config, workdir: Path):
    """The dataset of --data, or one of synthetic scenes, painted once into the workdir."""
    from drujax.data.dataset import Dataset
    from drujax.data.prepare import prepare
    from drujax.data.sources import Scenes

    if config.data is not None:
        return Dataset.open(config.data)
    scenes = Scenes(count=config.scenes, size=(config.scene_size, config.scene_size), seed=config.seed)
    prepare(scenes, workdir / "dataset", crop=config.gan.crop, seed=config.seed)
    return Dataset.open(workdir / "dataset")


def relativistic_probabilities(config: Config, dataset: Any, workdir: Path) -> Any:
    """The RP tables; None for Vanilla. Made once: a run that goes on reads them back."""
    if config.backbone == "none":
        return None
    import jax

    from drujax.uncertainty import saved
    from drujax.uncertainty.examples import confident_examples
    from drujax.uncertainty.probability import train_probability_network
    from drujax.uncertainty.relativistic import full_report, probabilities, relativistic_margins, write_report
    from drujax.uncertainty.tables import load_tables, save_tables

    path = workdir / "relativistic_probabilities.npz"
    if path.exists():
        return load_tables(path, dataset)
    network = train_probability_network(
        confident_examples(dataset), config.backbone, config.pretrained, config.probability, log=print
    )
    margins = relativistic_margins(network, dataset)
    tables = probabilities(margins, network.temperature)
    if jax.process_index() == 0:  # all processes have trained the same network
        write_report(workdir, full_report(network, margins))
        saved.save_network(workdir / saved.NAME, network)
        save_tables(path, tables, dataset)
    return tables


def schedule_length(config: Config, dataset: Any) -> tuple[int, float]:
    """Steps of the run, and steps of one epoch of its schedule."""
    from drujax.data.pipeline import epoch_length

    gan = config.gan
    epochs = gan.constant_epochs + gan.decay_epochs
    if gan.steps is not None:
        return gan.steps, gan.steps / epochs
    steps_per_epoch = -(-epoch_length(dataset) // gan.batch_size)
    return steps_per_epoch * epochs, float(steps_per_epoch)


def build_method(config: Config, steps_per_epoch: float) -> Any:
    """The method of `config`."""
    import jax.numpy as jnp

    from drujax.training.enlightengan import EnlightenGAN
    from drujax.training.exposure import Exposure
    from drujax.training.schedule import linear_decay
    from drujax.weights.perceptual import perceptual_variables

    gan = config.gan
    learning_rate = linear_decay(gan.learning_rate, steps_per_epoch, gan.constant_epochs, gan.decay_epochs)
    generator = {
        "learning_rate": learning_rate,
        "align_corners": gan.align_corners,
        "frozen_batch_norm": gan.frozen_batch_norm,
        "width": gan.width,
        "compute_dtype": jnp.dtype("bfloat16") if gan.dtype == "bfloat16" else None,
        "ema_decay": gan.ema_decay,
    }
    if config.method == "exposure":
        return Exposure(**generator)
    return EnlightenGAN(
        perceptual_variables(gan.perceptual, width=gan.perceptual_width, seed=config.seed),
        **generator,
        ghost_batches=gan.ghost_batches,
        reconstruction=gan.reconstruction,
        generator_rests=gan.generator_rests,
        discriminator_features=gan.discriminator_features,
        loss_scale=gan.loss_scale,
        patches=gan.patches,
        patch_size=gan.patch_size,
    )


def about(config: Config, dataset: Any) -> dict[str, Any]:
    """What the weights' metadata say of their making."""
    data = f"{config.scenes} synthetic scenes" if config.data is None else config.data.name
    return {
        "training_data": f"{data}: {len(dataset.train_dark)} dark, {len(dataset.train_bright)} bright pictures",
        "method": config.method,
        "backbone": config.backbone,
        "recipe": dataclasses.asdict(config.gan),
        "seed": config.seed,
    }


def configuration(arguments: list[str]) -> Config:
    """The configuration of command-line arguments. Without pictures of the user's, the small recipe is the default."""
    given = {argument.split("=")[0] for argument in arguments}
    if not given & {"--preset", "--data"}:
        arguments = ["--preset=embedded", *arguments]
    return entry.parse(Config, arguments, program="experiments.train", presets=PRESETS)


if __name__ == "__main__":
    sys.exit(entry.run(lambda: main(configuration(sys.argv[1:])), "experiments.train"))

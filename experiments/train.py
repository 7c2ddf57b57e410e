"""The main job: probability network -> relativistic probabilities -> DRU-EnlightenGAN -> weights.

    python -m experiments.train --backbone=vit_b16              # on the embedded scenes, about ten minutes on two cores
    python -m experiments.train --data=D --backbone=vit_b16     # the paper's recipe on a dataset of experiments.prepare
    python -m experiments.train --data=D --backbone=none        # Vanilla EnlightenGAN on the same
    python -m experiments.train --data=D --method=sci [--dru]   # a compared method, its losses weighted with --dru
    python -m experiments.train --data=D --preset=released      # all that made the released weights, in stages
    python -m experiments.train --data=D --label-noise=0.2      # studies: --partition, --relabel (docs/studies.md)
    python -m experiments.train --method=sci --help             # all options, with those of the method

The same command resumes a stopped run. The folder `--workdir` gets config.json, labels.csv (where the run changes
labels), probability.json (and .png, .safetensors), relativistic_probabilities.npz, metrics.jsonl, samples/ (of the
network alone), checkpoints/ and, at the end, weights.safetensors and enhanced.png (what `drujax enhance` makes of dark
pictures with them).
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from drujax.console import command_line
from drujax.methods import registry
from drujax.methods.config import PRESETS, RESUME_MUTABLE, TrainConfig, config_type, preset_config
from drujax.runtime.malloc import keep_freed_memory
from experiments._train import released


def main(config: TrainConfig, *, on_step: Callable[[int], None] | None = None) -> int:
    """Train as `config` says; see the module. `on_step`: see `drujax.training.loop.train`."""
    print(run_summary(config), flush=True)
    import jax
    import numpy as np

    from drujax.data import card
    from drujax.data.pipeline import check_images, fixed_examples, to_devices, train_batches
    from drujax.methods.export import weights_metadata
    from drujax.runtime import mesh as meshes
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.training.export import export_weights
    from drujax.training.loop import NotFinite, Stopped, train
    from drujax.training.samples import grid
    from drujax.training.schedule import linear_decay, run_length
    from drujax.training.step import compile_step, create
    from drujax.training.warm_start import warm_start
    from drujax.training.workdir import claim_workdir
    from experiments._train.study import study

    # Devices and the run's folder.
    enable_compilation_cache()
    meshes.join_processes(config.coordinator, config.processes, config.process_index)
    mesh = meshes.data_mesh()
    # Refusals before the long work.
    meshes.local_batch_size(config.recipe.batch_size, mesh)
    workdir = config.workdir or default_workdir(config)
    default = preset_config(config.preset, config.method)
    claim_workdir(workdir, config, default=default, free=RESUME_MUTABLE, ignored=card.FILES)

    # Data, method and state: all that can be refused, before the long work.
    recipe = config.recipe
    dataset = open_dataset(config, workdir)
    check_images(dataset, recipe.size, recipe.view, recipe.short_side)
    dataset, confident = study(config, dataset, workdir)
    about = weights_metadata(config, dataset)
    check_images(dataset, recipe.size, recipe.view, recipe.short_side)  # wrong labels may leave a set empty
    steps, steps_per_epoch = run_length(recipe, config.spec.epoch, dataset)
    epochs = recipe.constant_epochs, recipe.decay_epochs
    rate = linear_decay(recipe.learning_rate, steps_per_epoch, *epochs, halve_every=config.spec.halve_every)
    method = config.spec.build(config, rate)
    state = create(method, config.seed, mesh)
    init = config.init_files["init"]
    if init is not None:
        state = warm_start(state, init, mesh)
    step = compile_step(method, mesh)

    # Relativistic probabilities.
    rp = loss_weights(config, workdir, dataset, confident)
    rp, frozen = (meshes.put(tree, meshes.replicated(mesh)) for tree in (rp, method.frozen))

    # Training.
    def batches_from(start: int):
        batches = train_batches(
            dataset,
            size=recipe.size,
            view=recipe.view,
            short_side=recipe.short_side,
            flips=recipe.flips,
            batch_size=recipe.batch_size,
            seed=config.seed,
            pairing=recipe.pairing,
            one_dark=config.spec.one_image(config.options),
            start_step=start,
            workers=config.workers,
            process=(jax.process_index(), jax.process_count()),
        )
        return to_devices(batches, meshes.split(mesh))

    meshes.barrier("training")
    examples = fixed_examples(dataset, 6, recipe.size, recipe.view, recipe.short_side)
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
            on_step=on_step,
        )
    except Stopped as stopped:
        print(f"{stopped}; run the same command to resume", file=sys.stderr)
        return stopped.exit_code
    except NotFinite as error:
        print(f"experiments.train: {error}", file=sys.stderr)
        return 1

    if jax.process_index() == 0:
        finish(export_weights(method, state, workdir, about=about), dataset)
    return 0


def loss_weights(config: TrainConfig, workdir: Path, dataset: Any, confident: Iterator[Any]) -> dict[str, Any] | None:
    """Return the weight of each training image, relativistic probabilities or a control; None for Vanilla.

    `confident` are the examples that the probability network is trained on, if it has to be.
    """
    from drujax.uncertainty.run_tables import load_or_compute_tables
    from drujax.uncertainty.weighting import weight_tables

    if config.uncertainty == "none":
        return None
    arguments = (workdir, dataset, confident, config.uncertainty, config.pretrained, config.probability)
    probabilities = partial(load_or_compute_tables, *arguments, other=config.probabilities)
    return weight_tables(config.weighting, dataset, probabilities, config.seed)


def finish(weights: Path, dataset: Any) -> None:
    """Print where a run's weights are, and what they make of dark pictures."""
    from experiments._train.before_after import write_before_after

    print(weights, flush=True)
    picture = weights.with_name("enhanced.png")
    write_before_after(picture, weights, dataset)
    print(f"Before and after: {picture}\nTry it: drujax enhance DARK_PICTURE --model={weights.parent}")


def run_summary(config: TrainConfig) -> str:
    """Return the first line that a run prints: what it trains, on what, and how."""
    recipe, probability = config.recipe, config.probability
    weighted_by = {
        "none": "without data uncertainty (Vanilla)",
        "centroid": f"with centroids of {probability.centroid_features}'s features",
    }.get(config.uncertainty, f"with the probability network {config.uncertainty}")
    if config.weighting != "rp":
        weighted_by += f", whose relativistic probabilities are replaced by a control ({config.weighting})"
    images = "crops of" if recipe.view == "crop" else "pictures resized to"
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.constant_epochs + recipe.decay_epochs} epochs"
    how = f"{config.method} {weighted_by}, {images} {recipe.size}x{recipe.size}, batch {recipe.batch_size}, {length}"
    start = "" if config.init is None else f", starting from {config.init}"
    start += "".join(f", {name}={value}" for name, value in config.study.items())
    if config.data is not None:
        return f"Training on {config.data}, preset {config.preset}: {how}{start}."
    untrained = list(config.spec.untrained(config.options))
    if config.uncertainty not in ("none", "centroid") and config.pretrained == "none":
        untrained.append(
            f"the probability network ({probability.resolution}x{probability.resolution}, {probability.optimiser})"
        )
    downloads = " and ".join(config.spec.downloads(config.options))
    return (
        f"Training on {config.scenes} embedded synthetic scenes of {config.scene_size}x{config.scene_size}, preset "
        f"{config.preset}: {how}{start}. {f'{downloads} are downloaded' if downloads else 'Nothing is downloaded'}"
        f"{'; random initial weights: ' * bool(untrained)}{', '.join(untrained)}. The paper's recipe on your "
        "pictures: python -m experiments.prepare --source=PICTURES --out=D, then "
        f"python -m experiments.train --data=D {method_flags(config)}"
    )


def method_flags(config: TrainConfig) -> str:
    """Return the arguments that select the method and its probability network."""
    if config.method == "enlightengan":
        return f"--backbone={config.backbone}"
    return f"--method={config.method}" + (f" --dru --backbone={config.backbone}" if config.dru else "")


def default_workdir(config: TrainConfig) -> Path:
    """Return runs/<method>-<backbone>[-<preset>][-<study>]; the paper's preset is not named."""
    name = "" if config.preset == "paper" else f"-{config.preset}"
    names = {
        "partition": config.partition,
        "uncertain_share": f"uncertain{config.uncertain_share:g}",
        "relabel": config.relabel,
        "label_noise": f"noise{config.label_noise:g}",
    }
    name += "".join(f"-{names[option]}" for option in config.study if option in names)
    name += "-noisy" * (config.probability_labels == "noisy")
    return Path("runs") / f"{config.method}-{config.uncertainty}{name}"


def open_dataset(config: TrainConfig, workdir: Path) -> Any:
    """Open the dataset of --data, or one of synthetic scenes that the first process paints into the workdir once."""
    import jax

    from drujax.data.dataset import Dataset
    from drujax.data.prepare import prepare
    from drujax.data.sources import Scenes
    from drujax.runtime import mesh as meshes

    if config.data is not None:
        return Dataset.open(config.data)
    if jax.process_index() == 0:
        scenes = Scenes(count=config.scenes, size=(config.scene_size, config.scene_size), seed=config.seed)
        prepare(scenes, workdir / "dataset", crop=config.recipe.size, seed=config.seed)
    meshes.barrier("dataset")
    return Dataset.open(workdir / "dataset")


def configuration(arguments: list[str]) -> TrainConfig:
    """Parse command-line arguments. The default preset is `embedded` without --data, else `paper`."""
    given = {argument.split("=")[0] for argument in arguments}
    if not given & {"--preset", "--data"}:
        arguments = ["--preset=embedded", *arguments]
    method = command_line.value_of("--method", arguments) or "enlightengan"
    presets = {name: preset_config(name, method) for name in PRESETS}
    return command_line.parse(
        config_type(method), arguments, program="experiments.train", presets=presets, owner_of=owner_of
    )


def owner_of(flag: str) -> str:
    """Return a sentence that names the methods whose option `flag` is; empty where there is none."""
    owners = [name for name in registry.trained() if command_line.has_flag(config_type(name), flag)]
    return f". It is an option of {', '.join(f'--method={name}' for name in owners)}" if owners else ""


def run(arguments: list[str], *, on_step: Callable[[int], None] | None = None) -> int:
    """Train as command-line arguments say; errors name the argument by its flag."""
    if command_line.value_of("--preset", arguments) == released.PRESET:
        return released.run_stages(arguments, run)
    config = configuration(arguments)
    with command_line.flags_in_errors(type(config)):
        return main(config, on_step=on_step)


if __name__ == "__main__":
    keep_freed_memory()  # of a process that does nothing else
    sys.exit(command_line.run(lambda: run(sys.argv[1:]), "experiments.train"))

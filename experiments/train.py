"""The main job: probability network -> relativistic probabilities -> DRU-EnlightenGAN -> weights.

    python -m experiments.train --backbone=vit_b16              # on the embedded scenes, about ten minutes on two cores
    python -m experiments.train --data=D --backbone=vit_b16     # the paper's recipe on a dataset of experiments.prepare
    python -m experiments.train --data=D --backbone=none        # Vanilla EnlightenGAN on the same
    python -m experiments.train --data=D --method=sci [--dru]   # a compared method, its losses weighted with --dru

The same command goes on where a stopped run was. The folder `--workdir` gets config.json, probability.json (and .png,
.safetensors), relativistic_probabilities.npz, metrics.jsonl, samples/, checkpoints/ and, at the end,
weights.safetensors.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from drujax.console import command_line
from drujax.errors import unknown
from drujax.runtime.malloc import keep_freed_memory
from experiments.recipes import FREE, OFFICIAL, PRESETS, Config, preset


def main(config: Config) -> int:
    """Trains as `config` says; see the module."""
    print(headline(config), flush=True)
    import jax
    import numpy as np

    from drujax.data.pipeline import check_pictures, fixed_examples, to_devices, train_batches
    from drujax.runtime import mesh as meshes
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.training.export import export_weights
    from drujax.training.loop import NotFinite, Stopped, train
    from drujax.training.samples import grid
    from drujax.training.step import compile_step, create
    from drujax.training.warm_start import warm_start
    from drujax.training.workdir import claim_workdir
    from experiments.methods import build

    # Devices and the run's folder.
    enable_compilation_cache()
    meshes.join_processes(config.coordinator, config.processes, config.process_index)
    mesh = meshes.data_mesh()
    # Refusals before the long work.
    meshes.local_batch_size(config.recipe.batch_size, mesh)
    workdir = config.workdir or default_workdir(config)
    claim_workdir(workdir, config, free=FREE)

    # Data, method and state: all that can be refused, before the long work.
    dataset = open_dataset(config, workdir)
    check_pictures(dataset, config.recipe.size, config.recipe.view)
    steps, steps_per_epoch = schedule_length(config, dataset)
    method = build(config, steps_per_epoch)
    state = create(method, config.seed, mesh)
    if config.init is not None:
        state = warm_start(state, config.init, mesh)
    step = compile_step(method, mesh)

    # Relativistic probabilities.
    rp = relativistic_probabilities(config, dataset, workdir)
    rp, frozen = (meshes.put(tree, meshes.replicated(mesh)) for tree in (rp, method.frozen))

    # Training.
    def batches_from(start: int):
        process = (jax.process_index(), jax.process_count())
        batches = train_batches(
            dataset,
            size=config.recipe.size,
            view=config.recipe.view,
            flips=config.recipe.flips,
            batch_size=config.recipe.batch_size,
            seed=config.seed,
            pairing=config.recipe.pairing,
            one_dark=config.method == "ruas" and config.ruas.one_picture,
            start_step=start,
            workers=config.workers,
            process=process,
        )
        return to_devices(batches, meshes.split(mesh))

    meshes.meet("training")
    examples = fixed_examples(dataset, 6, config.recipe.size, config.recipe.view)
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
        path = export_weights(method, state, workdir, about=about(config, dataset))
        print(f"{path}\nTry it: drujax enhance DARK_PICTURE --model={workdir}")
    return 0


def headline(config: Config) -> str:
    """What this run does, in its first line."""
    recipe, probability = config.recipe, config.probability
    network = {
        "none": "without data uncertainty (Vanilla)",
        "centroid": f"with centroids of {probability.centroid_features}'s features",
    }.get(config.uncertainty, f"with the probability network {config.uncertainty}")
    pictures = "crops of" if recipe.view == "crop" else "pictures resized to"
    how = (
        f"{config.method} {network}, {pictures} {recipe.size}x{recipe.size}, batch {recipe.batch_size}, "
        f"{recipe.steps or 'epochs of'} {'steps' if recipe.steps else 'the dataset'}"
    )
    if config.data is not None:
        return f"Training on {config.data}, preset {config.preset}: {how}."
    scratch = []
    if config.uncertainty not in ("none", "centroid"):
        scratch.append(
            "the probability network learns from scratch at "
            f"{probability.resolution}x{probability.resolution} with {probability.optimiser}"
        )
    if config.method == "enlightengan":
        scratch.append("the self-feature-preserving loss looks through a VGG16 with random weights")
    downloads = config.method == "clip_lit" and "openai" in (config.clip_lit.clip, config.clip_lit.resnet)
    needs = "CLIP's weights are downloaded" if downloads else "Nothing is downloaded"
    return (
        f"Training on {config.scenes} embedded synthetic scenes of {config.scene_size}x{config.scene_size}, preset "
        f"{config.preset}: {how}. {needs}{': ' * bool(scratch)}{', and '.join(scratch)}. The recipe of "
        "the paper on your pictures: python -m experiments.prepare --source=PICTURES --out=D, then "
        f"python -m experiments.train --data=D {asked(config)}"
    )


def asked(config: Config) -> str:
    """The method and its uncertainty, as arguments."""
    if config.method == "enlightengan":
        return f"--backbone={config.backbone}"
    return f"--method={config.method}" + (f" --dru --backbone={config.backbone}" if config.dru else "")


def default_workdir(config: Config) -> Path:
    """runs/<method>-<backbone>, with the preset where it is not the paper's."""
    name = "" if config.preset == "paper" else f"-{config.preset}"
    return Path("runs") / f"{config.method}-{config.uncertainty}{name}"


def open_dataset(config: Config, workdir: Path):
    """The dataset of --data, or one of synthetic scenes, painted once into the workdir by the first process."""
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
    meshes.meet("dataset")
    return Dataset.open(workdir / "dataset")


def relativistic_probabilities(config: Config, dataset: Any, workdir: Path) -> Any:
    """The RP tables; None for Vanilla. Made once: a run that goes on reads them back."""
    if config.uncertainty == "none":
        return None
    import jax

    from drujax.uncertainty import network_io
    from drujax.uncertainty.confident_set import confident_examples
    from drujax.uncertainty.probability import train_probability_network
    from drujax.uncertainty.relativistic import full_report, probabilities, relativistic_margins, write_report
    from drujax.uncertainty.rp_table import load_tables, save_tables

    path = workdir / "relativistic_probabilities.npz"
    if path.exists():
        return load_tables(path, dataset)
    network = train_probability_network(
        confident_examples(dataset), config.uncertainty, config.pretrained, config.probability, log=print
    )
    margins = relativistic_margins(network, dataset)
    tables = probabilities(margins, network.temperature)
    if jax.process_index() == 0:  # all processes have trained the same network
        write_report(workdir, full_report(network, margins))
        network_io.save_network(workdir / network_io.NAME, network)
        save_tables(path, tables, dataset)
    return tables


def schedule_length(config: Config, dataset: Any) -> tuple[int, float]:
    """Steps of the run, and steps of one epoch of its schedule: as many as it takes to see each picture once that the
    method learns from, where dark and bright ones are paired each of the more numerous.
    """
    from drujax.data.pipeline import epoch_length

    recipe, dark = config.recipe, len(dataset.train_dark)
    pairs = epoch_length(dataset)
    if config.method in ("sci", "ruas", "ruas_search"):
        pairs = dark
    elif config.method == "zero_dce_pp":
        pairs = -(-(dark + len(dataset.train_bright)) // 2)
    epochs = recipe.constant_epochs + recipe.decay_epochs
    if recipe.steps is not None:
        return recipe.steps, recipe.steps / epochs
    steps_per_epoch = -(-pairs // recipe.batch_size)
    return steps_per_epoch * epochs, float(steps_per_epoch)


def about(config: Config, dataset: Any) -> dict[str, Any]:
    """What the weights' metadata say of their making."""
    data = f"{config.scenes} synthetic scenes" if config.data is None else config.data.name
    start = {name: path for name, path in starts(config).items() if path is not None}
    licences = {licence_of(path) for path in start.values()} - {"Apache-2.0"}
    return {
        **({"started_from": {name: path.name for name, path in start.items()}} if start else {}),
        **({"licence": " and ".join(sorted(licences))} if licences else {}),
        "training_data": f"{data}: {len(dataset.train_dark)} dark, {len(dataset.train_bright)} bright pictures",
        "method": config.method,
        "backbone": config.uncertainty,
        "recipe": dataclasses.asdict(config.recipe),
        "seed": config.seed,
    }


def starts(config: Config) -> dict[str, Path | None]:
    """The files of weights that what is released descends from."""
    of_method = {
        "ruas": {"denoiser": config.ruas.denoiser},
        "clip_lit": {"prompts": config.clip_lit.prompts},
    }
    return {"init": config.init, **of_method.get(config.method, {})}


def licence_of(path: Path) -> str:
    """The licence of weights, which what starts from them inherits."""
    from drujax.weights.safetensors_io import read_metadata

    if path.suffix != ".safetensors":
        return f"that of {path.name}"
    return read_metadata(path).get("licence", f"that of {path.name}")


def configuration(arguments: list[str]) -> Config:
    """The configuration of command-line arguments. Without pictures of the user's, the small recipe is the default."""
    given = {argument.split("=")[0] for argument in arguments}
    if not given & {"--preset", "--data"}:
        arguments = ["--preset=embedded", *arguments]
    method = command_line.value_of("--method", arguments) or "enlightengan"
    if method not in OFFICIAL:
        raise unknown("--method", method, OFFICIAL)
    presets = {name: preset(name, method) for name in PRESETS}
    return command_line.parse(Config, arguments, program="experiments.train", presets=presets)


if __name__ == "__main__":
    keep_freed_memory()  # of a process that does nothing else
    sys.exit(command_line.run(lambda: main(configuration(sys.argv[1:])), "experiments.train"))

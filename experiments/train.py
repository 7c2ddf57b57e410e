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
from collections.abc import Callable
from functools import partial

from drujax.console import command_line
from drujax.methods.config import TrainConfig
from drujax.runtime.malloc import keep_freed_memory
from experiments._train import released
from experiments._train.arguments import configuration
from experiments._train.summary import run_summary


def main(config: TrainConfig, *, on_step: Callable[[int], None] | None = None) -> int:
    """Train as `config` says; see the module. `on_step`: see `drujax.training.loop.train`."""
    print(run_summary(config), flush=True)
    import jax

    from drujax.methods.export import weights_metadata
    from drujax.runtime import mesh as meshes
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.training.export import export_weights
    from drujax.training.loop import NotFinite, Stopped, train
    from drujax.training.step import compile_step
    from experiments._train.before_after import show_result
    from experiments._train.data import batches_from, sample_grids, training_sets
    from experiments._train.folder import claimed_workdir
    from experiments._train.loss_weights import loss_weights
    from experiments._train.method import build_method, initial_state

    # Devices and the run's folder.
    enable_compilation_cache()
    meshes.join_processes(config.coordinator, config.processes, config.process_index)
    mesh = meshes.data_mesh()
    meshes.local_batch_size(config.recipe.batch_size, mesh)  # refuses what devices cannot share
    workdir = claimed_workdir(config)

    # Data, method and state: all that can be refused, before the long work.
    dataset, confident = training_sets(config, workdir)
    about = weights_metadata(config, dataset)
    method, steps = build_method(config, dataset)
    state = initial_state(config, method, mesh)
    step = compile_step(method, mesh)

    # Relativistic probabilities.
    rp = loss_weights(config, workdir, dataset, confident)
    rp, frozen = (meshes.put(tree, meshes.replicated(mesh)) for tree in (rp, method.frozen))

    # Training.
    meshes.barrier("training")
    try:
        state = train(
            state,
            lambda state, batch: step(state, batch, rp, frozen),
            partial(batches_from, config, dataset, mesh),
            steps=steps,
            workdir=workdir,
            options=config.loop,
            sample=sample_grids(config, dataset, method),
            on_step=on_step,
        )
    except Stopped as stopped:
        print(f"{stopped}; run the same command to resume", file=sys.stderr)
        return stopped.exit_code
    except NotFinite as error:
        print(f"experiments.train: {error}", file=sys.stderr)
        return 1

    if jax.process_index() == 0:
        show_result(export_weights(method, state, workdir, about=about), dataset)
    return 0


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

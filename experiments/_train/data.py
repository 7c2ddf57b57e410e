"""The data of a run: its training sets, its batches, and the images of its sample grids."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from drujax.data.dataset import Dataset
from drujax.data.pipeline import check_images, fixed_examples, to_devices, train_batches
from drujax.data.prepare import prepare
from drujax.data.sources import Scenes
from drujax.methods.config import TrainConfig
from drujax.runtime import mesh as meshes
from drujax.training.method import Method
from drujax.training.samples import grid
from experiments._train.study import Study, study

ROWS = 6  # of a sample grid


def training_sets(config: TrainConfig, workdir: Path) -> Study:
    """Returns the dataset of --data, or one of synthetic scenes in the workdir, with the training sets of the run.

    Raises:
        UsageError: a training set is empty or its images do not suit the recipe; or as `study`.
    """
    recipe = config.recipe
    dataset = _opened(config, workdir)
    check_images(dataset, recipe.size, recipe.view, recipe.short_side)
    found = study(config, dataset, workdir)
    check_images(found.dataset, recipe.size, recipe.view, recipe.short_side)  # wrong labels may leave a set empty
    return found


def batches_from(config: TrainConfig, dataset: Dataset, mesh: Mesh, start: int) -> Iterator[dict[str, jax.Array]]:
    """Returns the batches from step `start` on, on the devices."""
    recipe = config.recipe
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


def sample_grids(config: TrainConfig, dataset: Dataset, method: Method) -> Callable[[Any], np.ndarray]:
    """Returns what draws the same images before and after enhancement by a state of the run."""
    recipe = config.recipe
    examples = fixed_examples(dataset, ROWS, recipe.size, recipe.view, recipe.short_side)
    preview = jax.jit(method.preview)
    return lambda state: grid(examples, jax.tree.map(np.asarray, preview(state, examples)))


def _opened(config: TrainConfig, workdir: Path) -> Dataset:
    """Opens the dataset of --data, or one of synthetic scenes that the first process paints into the workdir once."""
    if config.data is not None:
        return Dataset.open(config.data)
    if jax.process_index() == 0:
        scenes = Scenes(count=config.scenes, size=(config.scene_size, config.scene_size), seed=config.seed)
        prepare(scenes, workdir / "dataset", crop=config.recipe.size, seed=config.seed)
    meshes.barrier("dataset")
    return Dataset.open(workdir / "dataset")

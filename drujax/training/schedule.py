"""Length of a run, and learning rate schedules."""

from typing import Any, Literal

import jax.numpy as jnp
import optax

from drujax.training.recipe import Recipe


def linear_decay(
    base: float,
    steps_per_epoch: float,
    constant_epochs: int = 100,
    decay_epochs: int = 100,
    *,
    halve_every: int | None = None,
) -> optax.Schedule:
    """Returns the official EnlightenGAN schedule: constant, then linear decay towards zero, in steps of one epoch.

    With the official 100 + 100 epochs, epochs 1 to 101 train at `base` and epoch e > 101 at
    base * (1 - (e - 101) / 100), so that the last one trains at base / 100, not at zero.

    `steps_per_epoch` may be fractional: for a run of n steps in total it is n / (constant_epochs + decay_epochs).
    `halve_every` epochs, the rate is halved as well (PyTorch's MultiStepLR with a factor of 0.5).
    """

    def learning_rate(step):
        finished_epochs = jnp.floor(step / steps_per_epoch)
        rate = base * (1 - jnp.clip((finished_epochs - constant_epochs) / max(decay_epochs, 1), 0, 1))
        return rate if halve_every is None else rate * 0.5 ** jnp.floor(finished_epochs / halve_every)

    return learning_rate


def run_length(recipe: Recipe, epoch: Literal["dark", "pairs", "all"], dataset: Any) -> tuple[int, float]:
    """Returns the number of steps of a run, and of one epoch of its schedule.

    Args:
        recipe: epochs and batch size; if it gives the number of steps, the schedule is scaled to fit.
        epoch: the images that an epoch sees once: the dark ones, pairs (each image of the larger of both sets), or all
            images, dark or bright, with `recipe.batch_size` of each in a batch.
        dataset: a `drujax.data.dataset.Dataset`.
    """
    dark, bright = len(dataset.train_dark), len(dataset.train_bright)
    pairs = {"dark": dark, "pairs": max(dark, bright), "all": -(-(dark + bright) // 2)}[epoch]
    epochs = recipe.constant_epochs + recipe.decay_epochs
    if recipe.steps is not None:
        return recipe.steps, recipe.steps / epochs
    steps_per_epoch = -(-pairs // recipe.batch_size)
    return steps_per_epoch * epochs, float(steps_per_epoch)

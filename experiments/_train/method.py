"""The method of a run, and the state from which it trains."""

from typing import Any

from jax.sharding import Mesh

from drujax.data.dataset import Dataset
from drujax.methods.config import TrainConfig
from drujax.training.method import Method
from drujax.training.schedule import linear_decay, run_length
from drujax.training.step import create
from drujax.training.warm_start import warm_start


def build_method(config: TrainConfig, dataset: Dataset) -> tuple[Method, int]:
    """Returns the method with its learning rate's schedule, and the steps of the run."""
    recipe = config.recipe
    steps, steps_per_epoch = run_length(recipe, config.spec.epoch, dataset)
    epochs = recipe.constant_epochs, recipe.decay_epochs
    rate = linear_decay(recipe.learning_rate, steps_per_epoch, *epochs, halve_every=config.spec.halve_every)
    return config.spec.build(config, rate), steps


def initial_state(config: TrainConfig, method: Method, mesh: Mesh) -> Any:
    """Returns the state of step 0 on all devices: random, or with the weights of --init.

    Raises:
        UsageError: the weights are of another network.
    """
    state = create(method, config.seed, mesh)
    init = config.init_files["init"]
    return state if init is None else warm_start(state, init, mesh)

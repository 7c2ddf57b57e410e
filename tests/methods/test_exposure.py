"""The exposure reconstruction: restoring darkened images and painted nights."""

import dataclasses

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.methods.exposure import Config, Exposure, GeneratorOptions, Restoration
from drujax.training.night import painted_pairs
from tests.support import tiny_batch


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_batch_norm_keeps_its_statistics(frozen):
    method = Exposure(width=2, frozen_batch_norm=frozen)
    state = method.init(jax.random.key(4))
    after, metrics = jax.jit(method.step)(state, tiny_batch.batch(), None, method.frozen)
    assert np.isfinite(metrics["loss"])
    before = state.model
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before.batch_stats, after.model.batch_stats)
    assert all(value != frozen for value in jax.tree.leaves(changed))
    assert (before.params["conv10"]["kernel"] != after.model.params["conv10"]["kernel"]).any()


def test_pairs_count_whatever_the_probabilities():
    """With relativistic probabilities of 0 they are all that is left of the loss."""
    pairs = painted_pairs(3, (40, 48), seed=0)
    method = Exposure(width=2, restoration=Restoration(pairs=(pairs,), pairs_per_step=(2,)))
    state = method.init(jax.random.key(4))
    nothing = {name: np.zeros_like(table) for name, table in tiny_batch.tables().items()}
    step = jax.jit(method.step)
    _, metrics = step(state, tiny_batch.batch(), nothing, method.frozen)
    assert metrics["loss"] > 0.01
    alone = dataclasses.replace(method, restoration=Restoration())
    _, without = jax.jit(alone.step)(state, tiny_batch.batch(), nothing, alone.frozen)
    assert without["loss"] == 0


def test_variants_need_a_dataset():
    with pytest.raises(UsageError, match="^variants_per_step: needs data"):
        Config(method="exposure", gan=GeneratorOptions(variants_per_step=2))

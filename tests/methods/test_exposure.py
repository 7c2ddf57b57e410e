"""The exposure reconstruction: restoring darkened images and painted nights."""

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.methods.exposure import Config, Exposure, GeneratorOptions, Restoration
from drujax.training.night import painted_pairs
from tests.support import tiny_batch


def test_batch_norm_keeps_its_statistics_when_frozen_and_nothing_counts_at_probabilities_of_0():
    method = Exposure(width=2, frozen_batch_norm=True)
    state, after, metrics = _step(method, rp=0)
    assert metrics["loss"] == 0
    jax.tree.map(np.testing.assert_array_equal, state.model.batch_stats, after.model.batch_stats)


def test_pairs_count_whatever_the_probabilities():
    """At relativistic probabilities of 0 they are all that is left of the loss. BatchNorm's statistics move."""
    pairs = painted_pairs(3, (40, 48), seed=0)
    state, after, metrics = _step(Exposure(width=2, restoration=Restoration(pairs=(pairs,), pairs_per_step=(2,))), rp=0)
    assert metrics["loss"] > 0.01
    before = state.model
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before.batch_stats, after.model.batch_stats)
    assert all(jax.tree.leaves(changed))
    assert (before.params["conv10"]["kernel"] != after.model.params["conv10"]["kernel"]).any()


def _step(method, rp):
    """The state before a step, after it, and its metrics."""
    state = jax.jit(method.init)(jax.random.key(4))
    tables = {name: np.full_like(table, rp) for name, table in tiny_batch.tables().items()}
    after, metrics = jax.jit(method.step)(state, tiny_batch.batch(), tables, method.frozen)
    return state, after, metrics


def test_variants_need_a_dataset():
    with pytest.raises(UsageError, match="^variants_per_step: needs data"):
        Config(method="exposure", gan=GeneratorOptions(variants_per_step=2))

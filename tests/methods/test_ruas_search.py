"""The search for RUAS's cells: mixed operations, and a RUAS as the result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.methods.registry import find_network
from drujax.methods.ruas_search import RUASSearch
from drujax.models.ruas import OPERATIONS, PLACES, RELEASED, RUAS, Mixture, Operation, genotype
from drujax.weights.torch_names import check, flatten

METHOD = RUASSearch(learning_rate=0.005, denoise_every=2)


def test_a_mixture_is_the_sum_of_its_operations():
    rng = np.random.default_rng(0)
    shares = jnp.asarray(rng.dirichlet(np.ones(len(OPERATIONS))), jnp.float32)
    x = jnp.asarray(rng.normal(size=(2, 9, 8, 3)), jnp.float32)
    variables = jax.eval_shape(Mixture().init, jax.random.key(0), x, shares)
    variables = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), variables)
    expected = 0
    for i, (kind, share) in enumerate(zip(OPERATIONS, shares, strict=True)):
        own = {} if kind == "skip" else {"params": {"op": variables["params"][f"_ops.{i}.op"]}}
        expected += share * Operation(kind).apply(own, x)
    np.testing.assert_allclose(Mixture().apply(variables, x, shares), expected, atol=1e-5)


def pictures():
    """One batch for the networks and one for the tables."""
    rng = np.random.default_rng(1)
    dark = rng.integers(0, 90, (2, 20, 20, 3), dtype=np.uint8)
    index = np.arange(2, dtype=np.int32)
    return {"dark": dark, "bright": dark, "dark_index": index, "bright_index": index}


@pytest.fixture(scope="module")
def searched():
    """States after 0 to 4 steps, and the metrics of each step."""
    step = jax.jit(METHOD.step)
    states, seen = [METHOD.init(jax.random.key(0))], []
    for _ in range(4):
        state, metrics = step(states[-1], pictures(), None, {})
        states.append(state)
        seen.append({name: float(value) for name, value in metrics.items()})
    return states, seen


def test_the_search_learns(searched):
    states, seen = searched
    assert all(metrics["finite"] == 1 for metrics in seen)
    assert seen[-1]["loss"] < seen[0]["loss"]
    for before, after, noise_learns in zip(states, states[1:], (True, False) * 2, strict=False):
        same = jax.tree.map(
            lambda a, b: bool((a == b).all()),
            (before.tables.params, before.model.params),
            (after.tables.params, after.model.params),
        )
        tables, networks = same
        assert not tables["illumination"]
        assert tables["noise"] != noise_learns
        assert not any(jax.tree.leaves(networks["enhance_net"]))
        assert all(jax.tree.leaves(networks["denoise_net"])) != noise_learns


def test_the_result_is_a_ruas_with_the_trained_operations(searched):
    state = searched[0][-1]
    variables, metadata = METHOD.export(state)
    row = find_network(metadata["network"])
    check(variables, row.shapes(row.module(metadata["options"])))
    chosen = metadata["options"]["illumination"].split(",")
    assert [OPERATIONS.index(kind) for kind in chosen] == list(state.tables.params["illumination"].argmax(-1))
    found, mixed = flatten(variables), flatten(state.model.variables)
    for place, kind in zip(PLACES, chosen, strict=True):
        if kind != "skip":
            cell = "params/enhance_net/iems.1.cell"
            theirs = mixed[f"{cell}/{place}/_ops.{OPERATIONS.index(kind)}.op/kernel"]
            np.testing.assert_array_equal(found[f"{cell}/{place}/op/kernel"], theirs)
    (shown,) = METHOD.preview(state, pictures()["dark"])
    assert shown.shape == (2, 20, 20, 3)


def test_a_cell_by_its_operations():
    assert genotype("noise", "released") == RELEASED["noise"]
    spelled = ",".join(RELEASED["illumination"])
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    shapes = [jax.eval_shape(RUAS(illumination=text).init, jax.random.key(0), image) for text in ("released", spelled)]
    assert jax.tree.map(np.shape, shapes[0]) == jax.tree.map(np.shape, shapes[1])
    with pytest.raises(UsageError, match="option noise: must have 7 operations, got 2: 'skip,skip'"):
        genotype("noise", "skip,skip")
    with pytest.raises(UsageError, match="Did you mean conv3x3"):
        genotype("noise", "skip,skip,skip,conv3,skip,skip,skip")

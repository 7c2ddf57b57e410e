import jax
import numpy as np
import pytest
import tiny

from drujax.errors import UsageError
from drujax.training import mesh as meshes


def test_four_devices_agree_with_one(tiny_run):
    """Losses, batch statistics, parameters, optimisers and moving average after each of three steps."""
    four = tiny.train(jax.devices()[:4])
    pictures = four.compiled.input_shardings[0][1]["dark"]
    assert len(pictures.device_set) == 4
    assert not pictures.is_fully_replicated
    tiny.assert_same_run(four, tiny_run)


def test_another_batch_is_another_run(tiny_run):
    """The comparison above would see a device that reads the wrong pictures."""
    first, second = tiny_run.states[1], tiny_run.states[2]
    with pytest.raises(AssertionError):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
            first.generator.batch_stats,
            second.generator.batch_stats,
        )


def test_batch_is_shared_out_equally():
    mesh = meshes.data_mesh(jax.devices()[:4])
    assert meshes.local_batch_size(8, mesh) == 8
    with pytest.raises(UsageError, match="^batch_size: 6 is no multiple of 4 devices; the nearest is 8$"):
        meshes.local_batch_size(6, mesh)
    with pytest.raises(UsageError, match="the nearest is 4"):
        meshes.local_batch_size(1, mesh)


def test_put_splits_and_replicates():
    mesh = meshes.data_mesh(jax.devices()[:4])
    x = np.arange(8.0, dtype=np.float32)
    parts = meshes.put({"x": x}, meshes.split(mesh))["x"].addressable_shards
    assert [part.data.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    whole = meshes.put(x, meshes.replicated(mesh))
    assert all(part.data.tolist() == x.tolist() for part in whole.addressable_shards)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 2, 0), "^coordinator: None goes without processes and process_index"),
        (("auto", 2, 0), "^coordinator: auto goes without processes"),
        (("localhost:1234",), "^coordinator: localhost:1234 needs processes and process_index"),
        (("localhost:1234", 2, 2), "^process_index: 2 is not one of 0 to 1"),
        (("localhost", 2, 0), "^coordinator: localhost is neither host:port nor auto"),
    ],
)
def test_a_wrong_description_of_the_processes(arguments, message):
    with pytest.raises(UsageError, match=message):
        meshes.join_processes(*arguments)


def test_auto_outside_of_a_cluster(monkeypatch):
    def initialize():
        raise ValueError("coordinator_address should be defined.")  # JAX's words

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(UsageError, match="^coordinator: auto finds no cluster here .*; give host:port$"):
        meshes.join_processes("auto")


def test_a_process_may_be_alone():
    meshes.join_processes(None)
    assert jax.process_count() == 1

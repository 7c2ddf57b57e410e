"""Data-parallel training: four devices agree with one."""

import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.runtime import mesh as meshes
from tests.support import devices, tiny_batch


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """The output of `on_four_devices`."""
    path = tmp_path_factory.mktemp("four") / "seen.pickle"
    devices.finish(devices.start(4, __file__, path))
    return pickle.loads(path.read_bytes())


def on_four_devices() -> SimpleNamespace:
    mesh = meshes.data_mesh()
    x = np.arange(8.0, dtype=np.float32)
    parts = meshes.put({"x": x}, meshes.split(mesh))["x"].addressable_shards
    whole = meshes.put(x, meshes.replicated(mesh)).addressable_shards
    sizes = {size: _said(lambda size=size: meshes.local_batch_size(size, mesh)) for size in (1, 6, 8)}
    run = tiny_batch.train()
    pictures = run.compiled.input_shardings[0][1]["dark"]
    return SimpleNamespace(
        states=run.states,
        metrics=run.metrics,
        pictures_on=len(pictures.device_set),
        pictures_replicated=pictures.is_fully_replicated,
        parts=[np.asarray(part.data).tolist() for part in parts],
        whole=[np.asarray(part.data).tolist() for part in whole],
        sizes=sizes,
    )


def _said(function):
    try:
        return function()
    except UsageError as error:
        return str(error)


@pytest.mark.multiprocess
@pytest.mark.slow
def test_four_devices_agree_with_one(four, tiny_run):
    """Losses, batch statistics, parameters, optimisers and moving average after each of three steps."""
    assert four.pictures_on == 4
    assert not four.pictures_replicated
    tiny_batch.assert_same_run(four, tiny_run)


def test_another_batch_gives_another_result(tiny_run):
    """The comparison above would therefore detect a device that reads the wrong pictures."""
    first, second = tiny_run.states[1], tiny_run.states[2]
    with pytest.raises(AssertionError):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
            first.model.batch_stats,
            second.model.batch_stats,
        )


@pytest.mark.multiprocess
@pytest.mark.slow
def test_batch_is_split_equally(four):
    assert four.sizes[8] == 8
    assert four.sizes[6] == "batch_size: must be a multiple of 4 (devices), got 6; nearest: 8"
    assert four.sizes[1].endswith("nearest: 4")


@pytest.mark.multiprocess
@pytest.mark.slow
def test_put_splits_and_replicates(four):
    assert four.parts == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert four.whole == [list(range(8))] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 2, 0), "^coordinator: must be host:port with processes and process_index, got None"),
        (("auto", 2, 0), "^coordinator: must be host:port with processes .* got auto"),
        (("localhost:1234",), "^coordinator: localhost:1234 also needs processes and process_index"),
        (("localhost:1234", 2, 2), "^process_index: must be in 0..1, got 2"),
        (("localhost", 2, 0), "^coordinator: must be host:port or auto, got localhost"),
    ],
)
def test_invalid_process_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        meshes.join_processes(*arguments)


def test_auto_outside_of_a_cluster(monkeypatch):
    def initialize():
        raise ValueError("coordinator_address should be defined.")  # JAX's message

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(UsageError, match="^coordinator: auto found no cluster here .*; give host:port$"):
        meshes.join_processes("auto")


def test_a_single_process_needs_no_arguments():
    meshes.join_processes(None)
    assert jax.process_count() == 1


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(pickle.dumps(on_four_devices()))

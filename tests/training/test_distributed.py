"""Two processes train together over loopback and agree with one process."""

import pickle
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from drujax.runtime.mesh import join_processes
from tests.support import devices, tiny_batch


@pytest.mark.multiprocess
@pytest.mark.slow
def test_two_processes_agree_with_one(tiny_run, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    devices.finish(*(devices.start(2, __file__, tmp_path, coordinator, index) for index in range(2)))
    for index in range(2):
        run = pickle.loads((tmp_path / f"{index}.pickle").read_bytes())
        assert run.devices == 4
        tiny_batch.assert_same_run(run, tiny_run)


def one_of_two(folder: Path, coordinator: str, index: int) -> None:
    """Main function of one of the two processes, each with two devices."""
    join_processes(coordinator, processes=2, process_index=index)

    def meet():
        # Gloo times out if one process reaches the first all-reduce 30 seconds after the other, so both compile first.
        (folder / f"{index}.compiled").touch()
        while len(list(folder.glob("*.compiled"))) < 2:
            time.sleep(0.05)

    run = tiny_batch.train(compiled=meet)
    seen = SimpleNamespace(states=run.states, metrics=run.metrics, devices=jax.device_count())
    (folder / f"{index}.pickle").write_bytes(pickle.dumps(seen))


if __name__ == "__main__":
    one_of_two(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

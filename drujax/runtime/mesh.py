"""Data-parallel training over all devices of one machine or of many.

One `jax.jit` over a 1-D mesh: the batch is split along its first axis, everything else is on every device. Statistics
and losses are those of the whole batch, for any number of devices. (With `jax.pmap`, batch norm would use only each
device's part.)
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from drujax.errors import UsageError
from drujax.runtime.devices import devices as all_devices

BARRIER_TIMEOUT_MS = 3_600_000


def join_processes(coordinator: str | None, processes: int | None = None, process_index: int | None = None) -> None:
    """Joins the processes that train together. Call it before JAX's devices are used.

    Args:
        coordinator: host:port of the first process; "auto" on clusters that JAX supports (SLURM, Open MPI, GKE, TPU
            pods); None for a single process.
        processes: number of processes; with host:port only.
        process_index: index of this process, from 0; with host:port only.

    Raises:
        UsageError: the arguments are incomplete or contradictory.
    """
    if coordinator in (None, "auto"):
        if processes is not None or process_index is not None:
            raise UsageError(f"coordinator: must be host:port with processes and process_index, got {coordinator}")
        if coordinator is None:
            return
    elif not coordinator.rpartition(":")[2].isdigit():
        raise UsageError(f"coordinator: must be host:port or auto, got {coordinator}")
    elif processes is None or process_index is None:
        raise UsageError(f"coordinator: {coordinator} also needs processes and process_index")
    elif not 0 <= process_index < processes:
        raise UsageError(f"process_index: must be in 0..{processes - 1}, got {process_index}")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if coordinator != "auto":
        jax.distributed.initialize(coordinator, processes, process_index)
        return
    try:
        jax.distributed.initialize()
    except ValueError as error:  # JAX recognises no cluster
        raise UsageError(f"coordinator: auto found no cluster here ({error}); give host:port") from error


def barrier(name: str) -> None:
    """Waits until all processes reach the barrier called `name`, which is unique in the program.

    Uses the coordinator, with a timeout that allows for painting a dataset and compiling: Gloo, which CPUs use, fails
    if one process arrives 30 seconds after another.
    """
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost

        multihost.get_barrier_sync_fn()(key=name, timeout_ms=BARRIER_TIMEOUT_MS)


def data_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Returns a mesh of all devices (of all processes), or the given ones, along one axis named `data`."""
    return Mesh(np.asarray(all_devices() if devices is None else devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that replicates an array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that splits the first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def local_batch_size(batch_size: int, mesh: Mesh) -> int:
    """Returns the number of examples of a batch that this process reads.

    Raises:
        UsageError: the batch cannot be split equally.
    """
    if batch_size % mesh.size:
        nearest = max(round(batch_size / mesh.size), 1) * mesh.size
        raise UsageError(
            f"batch_size: must be a multiple of {mesh.size} (devices), got {batch_size}; nearest: {nearest}"
        )
    return batch_size * len(mesh.local_devices) // mesh.size


def put(tree: Any, sharding: NamedSharding) -> Any:
    """Puts host arrays on the devices; each process passes all of a replicated array, and its own part of a split
    one.
    """
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), tree)

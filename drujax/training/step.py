"""A method's initial state and its compiled training step on a mesh of devices."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from drujax.runtime.mesh import replicated, split
from drujax.training.method import Method

# XLA:CPU schedules all-reduces in no fixed order. Within one process they deadlock when all threads are occupied, and
# across processes Gloo matches the wrong ones and aborts the run. This scheduler keeps a fixed order.
IN_ORDER = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


def create(method: Method, seed: int, mesh: Mesh) -> Any:
    """Returns the initial state, replicated on all devices."""
    return jax.jit(method.init, out_shardings=replicated(mesh))(jax.random.key(seed))


def compile_step(method: Method, mesh: Mesh) -> Callable[..., tuple[Any, dict[str, jax.Array]]]:
    """Compiles `method.step` for the mesh: (state, batch, rp, frozen) -> (state, metrics). The state is donated."""
    whole = replicated(mesh)
    return jax.jit(
        method.step,
        donate_argnums=0,
        in_shardings=(whole, split(mesh), whole, whole),
        out_shardings=(whole, whole),
        compiler_options=IN_ORDER if mesh.size > 1 and jax.default_backend() == "cpu" else None,
    )

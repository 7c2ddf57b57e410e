"""A method's initial state and its compiled step over a mesh."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from drujax.runtime.mesh import replicated, split
from drujax.training.method import Method

# XLA:CPU sums over devices in whatever order the sums come up. Those of one process wait for each other for ever when
# all threads are taken, and Gloo's of several processes meet the wrong ones and end the run.
IN_ORDER = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


def create(method: Method, seed: int, mesh: Mesh) -> Any:
    """The initial state, on every device."""
    return jax.jit(method.init, out_shardings=replicated(mesh))(jax.random.key(seed))


def compile_step(method: Method, mesh: Mesh) -> Callable[..., tuple[Any, dict[str, jax.Array]]]:
    """`method.step` over the mesh: (state, batch, rp, frozen) -> (state, metrics). The given state is used up."""
    whole = replicated(mesh)
    return jax.jit(
        method.step,
        donate_argnums=0,
        in_shardings=(whole, split(mesh), whole, whole),
        out_shardings=(whole, whole),
        compiler_options=IN_ORDER if mesh.size > 1 and jax.default_backend() == "cpu" else None,
    )

"""Prevents XLA:CPU from recomputing an intermediate result for each of its uses."""

from collections.abc import Callable

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array


def materialized(function: Callable[..., Array]) -> Callable[..., Array]:
    """Wraps `function`, from arrays to an array, so that on CPU its result is stored before it is used.

    A filter reads many shifted copies of its input. XLA:CPU fuses the input's computation into each of them, inside
    reductions too, which then cannot be vectorised: the 27 similarities of Ma's features took 400 ms instead of 35 ms.
    An optimization_barrier does not prevent this.
    """
    compiled = jax.jit(function)

    def stored(*arrays: Array) -> Array:
        return set_xla_metadata(compiled(*arrays), inlineable="false")  # pyright: ignore[reportReturnType]

    return lambda *arrays: jax.lax.platform_dependent(*arrays, cpu=stored, default=function)

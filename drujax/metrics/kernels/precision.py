"""Double precision for a few lines, without changing the program that drujax is part of."""

from contextlib import AbstractContextManager

import jax


def float64() -> AbstractContextManager:
    """A scope in which JAX makes and computes float64; outside of it the user's setting stays (this thread's, too)."""
    return jax.enable_x64(True)  # noqa: FBT003 (positional in JAX's own documentation)

"""Double precision in a local scope, without changing global JAX settings."""

from contextlib import AbstractContextManager

import jax


def float64() -> AbstractContextManager:
    """Returns a context in which JAX uses float64; outside of it, and in other threads, the user's setting applies."""
    return jax.enable_x64(True)  # noqa: FBT003 (positional in JAX's own documentation)

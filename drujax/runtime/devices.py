"""JAX's devices, and explanations when JAX cannot start."""

import os
import re
import sys
from typing import Any

from drujax.errors import UsageError

# The extra that installs a platform other than the CPU.
_EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}


def devices() -> list[Any]:  # jax.Device
    """Returns JAX's devices of all processes; initialises JAX if necessary.

    Raises:
        UsageError: JAX cannot start as the environment asks (`JAX_PLATFORMS` and others).
    """
    try:
        import jax

        return jax.devices()
    except Exception as error:  # RuntimeError, AssertionError (CUDA that is not there), ValueError (JAX's variables)
        raise UsageError(_reason(error)) from error


def start_up_failure(error: Exception) -> str | None:
    """Returns a one-line message if `error` means that JAX cannot start, else None."""
    if not any(name.partition(".")[0] == "jax" for name in sys.modules):  # nothing has tried to start it
        return None
    try:
        devices()
    except UsageError:
        return _reason(error)
    return None


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0].partition(" (set JAX_PLATFORMS")[0]
    text = re.sub(r"^Unable to initialize backend '.*?': ", "", text).rstrip(".")
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if not platforms or "JAX flag" in text or "for environment" in text:
        return f"JAX cannot start: {text or type(error).__name__}"
    extras = {_EXTRAS[name] for name in platforms.split(",") if name in _EXTRAS}
    install = "".join(f", or pip install 'drujax[{extra}]'" for extra in sorted(extras))
    return f"JAX_PLATFORMS: {platforms!r} is not available{f' ({text})' if text else ''}; set it to cpu{install}"

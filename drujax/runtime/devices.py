"""The devices that JAX computes on, and why it has none."""

import os
import re
import sys
from typing import Any

from drujax.errors import UsageError

# What has to be installed for a platform other than the processor.
_EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}


def devices() -> list[Any]:  # jax.Device
    """Returns JAX's devices, of all processes; starts JAX where nothing has.

    Raises:
        UsageError: JAX cannot start as the environment asks (`JAX_PLATFORMS` and others).
    """
    try:
        import jax

        return jax.devices()
    except Exception as error:  # RuntimeError, AssertionError (CUDA that is not there), ValueError (JAX's variables)
        raise UsageError(_reason(error)) from error


def start_up_failure(error: Exception) -> str | None:
    """Returns in one line that JAX cannot start here, where that is what `error` is about, else None."""
    if not any(name.partition(".")[0] == "jax" for name in sys.modules):  # nothing has tried to start it
        return None
    try:
        devices()
    except UsageError:
        return _reason(error)
    return None


def _reason(error: Exception) -> str:
    said = str(error).partition("\n")[0].partition(" (set JAX_PLATFORMS")[0]
    said = re.sub(r"^Unable to initialize backend '.*?': ", "", said).rstrip(".")
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if not platforms or "JAX flag" in said or "for environment" in said:
        return f"JAX cannot start: {said or type(error).__name__}"
    extras = {_EXTRAS[name] for name in platforms.split(",") if name in _EXTRAS}
    install = "".join(f", or pip install 'drujax[{extra}]'" for extra in sorted(extras))
    return f"JAX_PLATFORMS: {platforms!r} is not available{f' ({said})' if said else ''}; set it to cpu{install}"

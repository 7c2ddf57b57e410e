"""The device that a command computes on."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Literal

from drujax.errors import UsageError

Device = Literal["auto", "cpu", "gpu", "tpu"]

_EXTRAS = {"gpu": "cuda", "tpu": "tpu"}


@contextlib.contextmanager
def on_device(kind: Device) -> Iterator[None]:
    """Computes on the first device of a `kind` within the context; "auto" is JAX's own choice, the fastest.

    With "cpu", if JAX is not imported yet, other devices are not initialised: they may be broken or in use.

    Raises:
        UsageError: JAX has no such device here.
    """
    if kind == "cpu" and "jax" not in sys.modules:
        os.environ["JAX_PLATFORMS"] = "cpu"
    if kind == "auto":
        yield
        return
    import jax

    try:
        device = jax.devices(kind)[0]
    except RuntimeError as error:
        install = f"; pip install 'drujax[{_EXTRAS[kind]}]' adds it" if kind in _EXTRAS else ""
        there = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise UsageError(f"device: JAX has no {kind} here, only {there}{install}") from error
    with jax.default_device(device):
        yield

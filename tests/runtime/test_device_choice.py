"""The device that a command computes on."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from drujax.errors import UsageError
from drujax.runtime.device_choice import on_device


def test_arrays_are_made_on_the_chosen_device():
    cpu = jax.devices("cpu")[0]
    for kind in ("cpu", "auto"):
        with on_device(kind):
            assert jnp.zeros(3).devices() == {cpu}
    assert jax.config.jax_default_device is None


def test_a_missing_device_is_reported_with_advice():
    missing = next(kind for kind in ("gpu", "tpu") if jax.default_backend() != kind)
    with (
        pytest.raises(UsageError, match=rf"^device: JAX has no {missing} here, only .*pip install 'drujax\[\w+\]'"),
        on_device(missing),
    ):
        pass


def test_the_cpu_works_even_if_jax_platforms_names_a_broken_device():
    code = (
        "from drujax.runtime.device_choice import on_device\nwith on_device('cpu'):\n import jax; print(jax.devices())"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cuda"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "Cpu" in done.stdout

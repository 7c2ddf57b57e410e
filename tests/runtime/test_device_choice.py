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


def test_a_device_that_is_not_there_is_named_with_what_helps():
    missing = next(kind for kind in ("gpu", "tpu") if jax.default_backend() != kind)
    with (
        pytest.raises(UsageError, match=rf"^--device: JAX has no {missing} here, only .*pip install 'drujax\[\w+\]'"),
        on_device(missing),
    ):
        pass


def test_the_processor_is_used_even_where_jax_is_told_to_use_what_is_broken():
    code = (
        "from drujax.runtime.device_choice import on_device\nwith on_device('cpu'):\n import jax; print(jax.devices())"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cuda"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "Cpu" in done.stdout

"""An environment in which JAX cannot start gives one line that names the variable."""

import os
import re
import subprocess
import sys

import jax
import pytest

from drujax.runtime.devices import devices

MAIN = """
from drujax.console import command_line
def main():
    import jax.numpy as jnp
    jnp.zeros(1)
raise SystemExit(command_line.run(main, "drujax"))
"""


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("JAX_PLATFORMS", "cuda", r"JAX_PLATFORMS: 'cuda' is not available.*; set it to cpu, or .*drujax\[cuda\]'$"),
        ("JAX_PLATFORMS", "tpu", r"JAX_PLATFORMS: 'tpu' is not available \(.*\); set it to cpu, or .*drujax\[tpu\]'$"),
        ("JAX_PLATFORMS", "nonsense", r"JAX_PLATFORMS: 'nonsense' is not available \(.*\); set it to cpu$"),
        ("JAX_ENABLE_X64", "maybe", r"JAX cannot start: .*'maybe'.*JAX_ENABLE_X64"),
        ("JAX_NUM_CPU_DEVICES", "many", r"JAX cannot start: .*\"many\".*jax_num_cpu_devices"),
    ],
)
def test_start_up_failures_of_jax_are_one_line(variable, value, message):
    if value in os.environ.get("JAX_PLATFORMS", "") or jax.default_backend() in (value, "gpu"):
        pytest.skip(f"this machine has {value}")
    done = subprocess.run(
        [sys.executable, "-c", MAIN], env={**os.environ, variable: value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("drujax: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert re.search(message, lines[0]), lines[0]


def test_devices_are_those_of_jax():
    assert devices() == jax.devices()

"""Fixtures of all tests."""

import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import settings

from tests.support import tiny_batch
from tests.support.tiny_model import command_settings, save_tiny_model

REPOSITORY = Path(__file__).resolve().parents[1]

# Programs are compiled once for all workers and for the processes that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(REPOSITORY / ".pytest_cache" / "compiled"))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on who else uses the machine
settings.load_profile("untimed")

SHARED = Path(os.environ.get("DRUJAX_SHARED", REPOSITORY.parent / "shared"))


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data (goldens, third-party weights, pictures); tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED} (set DRUJAX_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def goldens(shared):
    """`goldens("enlightengan/g_eval")` is that archive's arrays by name; `.json` files are decoded."""

    def load(name: str):
        if name.endswith(".json"):
            return json.loads((shared / "goldens" / name).read_text())
        with np.load(shared / "goldens" / f"{name}.npz") as archive:
            return dict(archive)

    return load


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A file with a tiny generator that brightens visibly."""
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Redirects everything commands store in the user's home to a temporary folder."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def command(cache):
    """Allows commands to run in this process."""
    with command_settings(cache):
        yield


@pytest.fixture(scope="session")
def tiny_run():
    """Three steps of a small DRU run on one device."""
    return tiny_batch.train(jax.devices()[:1])

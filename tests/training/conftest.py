"""The run that several tests look at, made once."""

import jax
import pytest
import tiny


@pytest.fixture(scope="session")
def tiny_run():
    """Three steps of a small DRU run on one device."""
    return tiny.train(jax.devices()[:1])

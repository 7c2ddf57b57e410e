"""A DRU-EnlightenGAN run that compiles and trains in seconds, for tests and the processes they start."""

from types import SimpleNamespace
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from drujax.methods.enlightengan import EnlightenGAN
from drujax.models.perceptual import VGG16Features
from drujax.runtime import mesh as meshes
from drujax.training.step import compile_step, create

BATCH = 4
STEPS = 3


def method(**options) -> EnlightenGAN:
    perceptual = jax.jit(VGG16Features(2).init)(jax.random.key(1), jnp.zeros((1, 32, 32, 3)))
    return EnlightenGAN(perceptual, **{"width": 2, "discriminator_features": 2, "patches": 2, **options})


def batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "dark": rng.integers(0, 90, (BATCH, 40, 40, 3), np.uint8),
        "bright": rng.integers(100, 256, (BATCH, 40, 40, 3), np.uint8),
        "darkening": np.float32([1, 2, 2.5, 4]),
        "dark_index": np.int32([4, 0, 2, 2]),
        "bright_index": np.int32([1, 2, 0, 1]),
    }


def tables() -> dict[str, np.ndarray]:
    return {"dark": np.float32([0.9, 0.2, 0.7, 1.0, 0.5]), "bright": np.float32([0.3, 0.8, 0.95])}


def train(devices=None, *, compiled=lambda: None) -> SimpleNamespace:
    """Three steps on some devices (default: all of all processes): method, compiled step, states (4) and metrics (3).

    In float64, so that equivalent runs agree up to the last digits: in float32 Adam's first steps scale the rounding
    noise of vanishing gradients to full size. Uses XLA's plain convolutions, which compile faster. `compiled` is called
    between compiling and training.
    """
    mesh = meshes.data_mesh(devices)
    with jax.enable_x64(True), mock.patch("drujax.models.layers.conv.select_implementation", return_value="plain"):  # noqa: FBT003
        gan = method(ema_decay=0.9)
        state = meshes.put(in_float64(jax.device_get(create(gan, 3, mesh))), meshes.replicated(mesh))
        rp, frozen = meshes.put((tables(), in_float64(gan.frozen)), meshes.replicated(mesh))
        pictures = meshes.put(local_part(batch(), mesh), meshes.split(mesh))
        step = compile_step(gan, mesh).lower(state, pictures, rp, frozen).compile()
        compiled()
        states, metrics = [jax.device_get(state)], []
        for _ in range(STEPS):
            state, of_step = step(state, pictures, rp, frozen)
            states.append(jax.device_get(state))
            metrics.append(jax.device_get(of_step))
    return SimpleNamespace(method=gan, compiled=step, states=states, metrics=metrics)


def assert_same_run(run, expected):
    """Metrics, parameters, batch statistics, optimisers and moving average agree after each step."""
    for ours, theirs in zip(run.metrics, expected.metrics, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), ours, theirs)
    for ours, theirs in zip(run.states, expected.states, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9), ours, theirs)


def in_float64(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64) if np.issubdtype(x.dtype, np.floating) else x, tree)


def in_float32(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float32) if np.issubdtype(x.dtype, np.floating) else x, tree)


def local_part(whole, mesh):
    """This process's part of a batch."""
    count = meshes.local_batch_size(BATCH, mesh)
    first = jax.process_index() * count
    return {name: value[first : first + count] for name, value in whole.items()}

"""A tiny generator with random weights, and an isolated environment for commands."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import jax
import numpy as np
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from PIL import Image

from drujax.methods.registry import find_network
from drujax.weights import safetensors_io


def save_tiny_model(folder: Path, **options) -> Path:
    """Writes folder/tiny.safetensors, always the same; the network brightens unevenly and visibly."""
    network = find_network("enlightengan")
    options = {"width": 2, **options}
    shapes = network.shapes(network.module(options))
    random = np.random.default_rng(0)

    def draw(path, leaf):
        match path[-1].key:
            case "kernel":
                return random.normal(0, 1.4 / np.sqrt(np.prod(leaf.shape[:-1])), leaf.shape).astype(np.float32)
            case "scale" | "var":
                return np.ones(leaf.shape, np.float32)
            case "bias" if path[-2].key == "conv10":
                return np.array([0.5, 0.4, 0.3], np.float32)
            case _:
                return np.zeros(leaf.shape, np.float32)

    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    path = folder / "tiny.safetensors"
    safetensors_io.save_weights(path, variables, {"network": "enlightengan", "options": options})
    return path


@contextlib.contextmanager
def command_settings(cache: Path) -> Iterator[None]:
    """Redirects caches to `cache`, and restores the process settings that commands change."""
    before = jax.config.jax_compilation_cache_dir
    limit = Image.MAX_IMAGE_PIXELS
    reset_cache()  # jax looks at the folder's name only once otherwise
    with mock.patch.dict(os.environ, {"DRUJAX_CACHE": str(cache)}):
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            jax.config.update("jax_compilation_cache_dir", before)
            reset_cache()

"""Evaluates a network on any number of images, a chunk at a time."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, UInt8

from drujax.uncertainty.classifier_training import local_shardings
from drujax.weights.torch_names import Variables

CHUNK = 64  # images evaluated at once


def compiled(function: Callable[[Variables, Array], Any]) -> Callable[[Variables, Any], Any]:
    """Compiles `function(variables, images)`, whose results have one entry per image, for the devices of a process."""
    whole, sharded = local_shardings(CHUNK)
    return jax.jit(function, in_shardings=(whole, sharded), out_shardings=whole)


def evaluate(function: Callable[[Variables, Any], Any], variables: Variables, images: UInt8[np.ndarray, "n s s 3"]):
    """Returns the results, a tree of arrays, of a `compiled` function on all images; there must be at least one."""
    parts = [_padded(function, variables, images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _padded(function: Callable[[Variables, Any], Any], variables: Variables, chunk: UInt8[np.ndarray, "n s s 3"]):
    """Applies `function` to at most CHUNK images, padded so that one compilation serves all chunks."""
    filled = np.concatenate([chunk, np.zeros((CHUNK - len(chunk), *chunk.shape[1:]), np.uint8)])
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(chunk)], function(variables, filled))

"""Regression forests: the prediction is the mean over the trees of the value at the leaf that the features reach."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.metrics.kernels.precision import float64
from drujax.weights.formats.forests import Forest


def predict(forest: Forest, features: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
    """Predicts a value for each row of `features`.

    Uses float64: thresholds lie between features of training images, which may differ by as little as a float32 step.
    """
    with float64():
        arrays = _on_device(_Identity(forest))
        return np.array([_predict(arrays, jnp.asarray(row, jnp.float64)) for row in features], np.float64)


@jax.jit
def _predict(forest: Forest, row: Float[Array, " k"]) -> Float[Array, ""]:
    """Descends all trees in parallel until every one has reached a leaf."""

    def step(state):
        nodes, _ = state
        goes_left = row[forest.feature[nodes]] <= forest.threshold[nodes]
        following = jnp.where(goes_left, forest.left[nodes], forest.right[nodes])
        return following, (following != nodes).any()

    nodes, _ = jax.lax.while_loop(lambda state: state[1], step, (forest.roots, jnp.ones((), bool)))
    return forest.value[nodes].mean()


class _Identity:
    """A cache key that compares forests by object identity, because arrays are not hashable."""

    def __init__(self, forest: Forest):
        self.forest = forest

    def __hash__(self) -> int:
        return id(self.forest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.forest is self.forest


@functools.lru_cache(maxsize=6)
def _on_device(key: _Identity) -> Forest:
    return jax.tree.map(jnp.asarray, key.forest)

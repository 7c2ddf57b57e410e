"""Windows around the places of a coarse grid, along one side of an image; imports no JAX."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Functions of the guided filter vary slowly: they are fitted at no more than so many places a side.
GRID = 64


class Windows(NamedTuple):
    """The windows of one side with n pixels and g places."""

    mean: Float[np.ndarray, "g n"]  # over the window around each place
    smooth: Float[np.ndarray, "g g"]  # the mean over the places in the window around each


def windows(n: int, radius: float) -> Windows:
    """Returns the windows that reach `radius` pixels beyond the pixel around each place."""
    g = min(n, GRID)
    places = (np.arange(g) + 0.5) * n / g  # in pixels; pixel i covers i to i + 1
    first, last = np.clip(places - radius - 0.5, 0, n), np.clip(places + radius + 0.5, 0, n)
    pixels = np.arange(n)
    covered = np.clip(np.minimum(last[:, None], pixels + 1) - np.maximum(first[:, None], pixels), 0, 1)
    near = (np.abs(places[:, None] - places) <= radius + 0.5).astype(float)
    return Windows(*((x / x.sum(1, keepdims=True)).astype(np.float32) for x in (covered, near)))

"""Named random streams that depend only on (seed, index), and smooth noise from random lattices.

Each part of a scene draws from its own stream, so neither image size nor lighting changes what another part draws. Only
uniform numbers are used, whose stream is stable across NumPy versions.
"""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


class Rng:
    """A named random stream of the scene (seed, index)."""

    def __init__(self, seed: int, index: int, name: str = ""):
        self._root, self._name = (seed, index), name
        key = np.random.SeedSequence([seed, index, zlib.crc32(name.encode())])
        self._generator = np.random.Generator(np.random.PCG64(key))

    def part(self, name: str) -> "Rng":
        """Returns the independent stream of a part of the scene."""
        return Rng(*self._root, f"{self._name}/{name}")

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(self._generator.random())

    def many(self, *shape: int) -> np.ndarray:
        """Draws uniform numbers in 0..1."""
        return self._generator.random(shape, dtype=np.float64).astype(np.float32)

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def count(self, low: int, high: int) -> int:
        """Draws an integer from low to high, both inclusive."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.uniform() * len(choices))]


def _taps(position: np.ndarray, cells: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns the first lattice index and the four cubic B-spline weights at each position (in cells)."""
    first = np.floor(position).astype(np.int64)
    t = (position - first).astype(np.float32)
    s = 1.0 - t
    weights = [s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6]
    return first % cells, weights


def wave(lattice: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Smooth periodic 1-D noise, about -1..1: a cubic B-spline with coefficients `lattice` (0..1)."""
    first, weights = _taps(position, lattice.size)
    total = sum(w * lattice[(first + k) % lattice.size] for k, w in enumerate(weights))
    return (3.0 * (np.asarray(total) - 0.5)).astype(np.float32)


def fractal(
    lattice: np.ndarray, position: np.ndarray, octaves: int, roughness: float = 0.5, *, ridged: bool = False
) -> np.ndarray:
    """Fractal 1-D noise: a sum of octaves, each twice the frequency and `roughness` times the amplitude of the last.

    With `ridged` the noise has sharp crests.
    """
    total, height = np.zeros_like(position), 1.0
    for octave in range(octaves):
        layer = wave(lattice, position * 2.0**octave + 17.3 * octave)
        total = total + height * (1.0 - 2.0 * np.abs(layer) if ridged else layer)
        height *= roughness
    return total.astype(np.float32)


def field(lattice: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Smooth periodic 2-D noise at the rows `y` and columns `x` (both in cells), about -1..1."""
    first, weights = _taps(x, lattice.shape[1])
    across = np.zeros((lattice.shape[0], x.size), np.float32)
    for k, w in enumerate(weights):
        across += w * lattice[:, (first + k) % lattice.shape[1]]
    first, weights = _taps(y, lattice.shape[0])
    total = np.zeros((y.size, x.size), np.float32)
    for k, w in enumerate(weights):
        total += w[:, None] * across[(first + k) % lattice.shape[0]]
    return 4.0 * (total - 0.5)

"""Steerable pyramid in the frequency domain (Simoncelli and Freeman 1995; matlabPyrTools' `buildSFpyr`).

Two levels of six orientations, as Ma's features need. All bands are real, so level 1 uses half of the spectrum, with
the odd part of the oriented masks and the even part of the others; this equals taking the real part afterwards. Level
2's spectrum is cropped, which is not symmetric for even sizes, so it uses the full transform.
"""

import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ORIENTATIONS = 6
ORDER = ORIENTATIONS - 1


class Masks(NamedTuple):
    """Transfer functions for images of one size, see `pyramid_masks`."""

    high: Float[Array | np.ndarray, "h k"]
    bands1: Float[Array | np.ndarray, "o h k"]
    low2: Float[Array | np.ndarray, "h2 w2"]  # product of both levels' low-pass filters
    bands2: Float[Array | np.ndarray, "o h2 w2"]


class Pyramid(NamedTuple):
    """The high-pass residual and the oriented bands."""

    high: Float[Array, "h w"]
    level1: Float[Array, "o h w"]
    level2: Float[Array, "o h2 w2"]


def build_pyramid(image: Float[Array, "h w"], masks: Masks) -> Pyramid:
    """Computes the pyramid of an image; `masks` are `pyramid_masks(h, w)`."""
    shape = image.shape
    spectrum = jnp.fft.fft2(image)
    half = spectrum[:, : shape[1] // 2 + 1]
    high = jnp.fft.irfft2(half * masks.high, shape)
    level1 = jnp.fft.irfft2(-1j * half * masks.bands1, shape)
    rows, columns = (_cropped(side) for side in shape)
    cropped = spectrum[rows[:, None], columns] * masks.low2
    level2 = jnp.fft.ifft2(-1j * cropped * masks.bands2).real
    return Pyramid(high, level1, level2)


@functools.lru_cache(maxsize=4)
def pyramid_masks(h: int, w: int) -> Masks:
    """Computes the masks for images of h x w, in the order of an unshifted spectrum."""
    log_radius, angle = _polar(h, w)
    high_table, low_table = _radial_tables()
    high = high_table(log_radius, 0)
    low = low_table(log_radius, 0)
    band = high_table(log_radius, 1)
    bands1 = np.stack([low * band * _angular(angle, b) for b in range(ORIENTATIONS)])
    crop = np.ix_(_cropped(h), _cropped(w))
    log_radius2, angle2 = (np.fft.ifftshift(x)[crop] for x in (log_radius, angle))
    low2 = np.fft.ifftshift(low)[crop] * low_table(log_radius2, 1)
    bands2 = np.stack([high_table(log_radius2, 2) * _angular(angle2, b) for b in range(ORIENTATIONS)])
    return Masks(_half(high, 1), np.stack([_half(mask, -1) for mask in bands1]), low2, bands2)


def _cropped(side: int) -> np.ndarray:
    """Returns the indices, in an unshifted spectrum of `side`, that remain after halving the resolution (unshifted)."""
    kept = math.ceil((side - 0.5) / 2)
    frequencies = np.fft.ifftshift(np.arange(kept) - kept // 2)
    return frequencies % side


def _polar(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns log2 of the radius (1 at the Nyquist frequency) and the angle; zero frequency is at (h // 2, w // 2)."""
    y = ((np.arange(h) - h // 2) / (h / 2))[:, None]
    x = (np.arange(w) - w // 2) / (w / 2)
    angle = np.arctan2(y, x + 0 * y)
    radius = np.sqrt(x**2 + y**2)
    radius[h // 2, w // 2] = radius[h // 2, w // 2 - 1]
    return np.log2(radius), angle


def _radial_tables():
    """Returns high- and low-pass functions of (log_radius, octaves): tabulated raised cosines, interpolated linearly as
    in the original.
    """
    t = np.pi * (np.arange(259) - 257) / 512
    at = -0.5 + (2 / np.pi) * (t + np.pi / 4)
    squared = np.cos(t) ** 2
    squared[0], squared[-1] = squared[1], squared[-2]

    def table(values):
        return lambda log_radius, octaves: np.interp(log_radius, at - octaves, values)

    return table(np.sqrt(squared)), table(np.sqrt(1 - squared))


def _angular(angle: np.ndarray, orientation: int) -> np.ndarray:
    at = np.pi * np.arange(-2049, 1026) / 1024
    gain = 2 ** (2 * ORDER) * math.factorial(ORDER) ** 2 / (ORIENTATIONS * math.factorial(2 * ORDER))
    return np.interp(angle, at + np.pi * orientation / ORIENTATIONS, math.sqrt(gain) * np.cos(at) ** ORDER)


def _half(mask: np.ndarray, parity: int) -> np.ndarray:
    """Returns the even or odd part of a centred mask, on the half-spectrum of a real image."""
    mask = np.fft.ifftshift(mask)
    opposite = np.roll(mask[::-1, ::-1], (1, 1), (0, 1))  # at the negated frequencies
    return ((mask + parity * opposite) / 2)[:, : mask.shape[1] // 2 + 1]

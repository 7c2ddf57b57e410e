"""Samples of 10 and 12 bits, which AVIF and HEIC store, in the upper bits of 16."""

import numpy as np


def sixteen_bits(samples: np.ndarray, depth: int) -> np.ndarray:
    """Fills the low bits of `samples`, of which the upper `depth` bits are set, so that white stays white."""
    return samples | samples >> depth


def coded(samples: np.ndarray, depth: int) -> np.ndarray:
    """Rounds samples of 16 bits to `depth` bits, and returns these in the upper bits: the inverse."""
    levels = 2**depth - 1
    rounded = (samples.astype(np.uint32) * levels + 32767) // 65535
    return (rounded << (16 - depth)).astype(np.uint16)

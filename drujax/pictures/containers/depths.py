"""Samples of 16 bits: as 8 bits, and with the 10 or 12 bits that AVIF and HEIC store in the upper ones."""

import numpy as np

LOWER_HALF = "the lower half of its 16 bits a channel"


def sixteen_bits(samples: np.ndarray, depth: int) -> np.ndarray:
    """Fills the low bits of `samples`, of which the upper `depth` bits are set, so that white stays white."""
    return samples | samples >> depth


def coded(samples: np.ndarray, depth: int) -> np.ndarray:
    """Rounds samples of 16 bits to `depth` bits, and returns these in the upper bits: the inverse."""
    levels = 2**depth - 1
    rounded = (samples.astype(np.uint32) * levels + 32767) // 65535
    return (rounded << (16 - depth)).astype(np.uint16)


def eight_bits(samples: np.ndarray) -> np.ndarray:
    """Rounds samples of 16 bits to 8 bits."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)

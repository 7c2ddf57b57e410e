"""Grey conversion of the metrics: integer levels 0..255, equal to the references' in every pixel.

A level is a rounded sum of three products. Integer coefficients make the sum exact, but not its rounding: for one pixel
in a thousand 0.299 R + 0.587 G + 0.114 B lies halfway between two levels, and IQA-PyTorch's float32 arithmetic rounds
either way. Those pixels, and only those, are recomputed with its arithmetic, on the host, where float32 is the same on
every machine.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped, UInt8

Luma = Literal["yiq", "matlab", "ycbcr", "matlab_ycbcr"]

# Integer coefficients of R, G, B and their sum: IQA-PyTorch's grey, and MATLAB's rgb2gray (the first row of the inverse
# of its RGB -> YIQ matrix).
COEFFICIENTS: dict[Luma, tuple[tuple[int, int, int], int]] = {
    "yiq": ((299, 587, 114), 1000),
    "matlab": ((589399, 1157447, 224810), 1971656),
}
GREY = (0.299, 0.587, 0.114)
# Luma of Y'CbCr, 16..235, for r, g, b in 0..1: float32 in IQA-PyTorch, float64 in MATLAB, with different tie rounding.
YCBCR, YCBCR_BLACK = (65.481, 128.553, 24.966), 16
STRIP_PIXELS = 1 << 15


def levels(rgb: Shaped[np.ndarray, "h w 3"], kind: Luma) -> UInt8[np.ndarray, "h w"]:
    """Converts an image, uint8 or floating in 0..1, to grey levels.

    For floating images the exact grey is rounded; "matlab" first rounds R, G and B, since its images are uint8.
    """
    return _by_strips(lambda rows: _levels(rgb[rows], kind), rgb.shape[:2])


def _levels(rgb: Shaped[np.ndarray, "h w 3"], kind: Luma) -> UInt8[np.ndarray, "h w"]:
    if rgb.dtype != np.uint8:
        samples = as_levels(rgb)
        rgb = np.rint(samples) if kind.startswith("matlab") else samples
    if kind == "ycbcr":
        return np.rint(float32_sum(rgb, YCBCR) + np.float32(YCBCR_BLACK)).astype(np.uint8)
    if kind == "matlab_ycbcr":
        r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
        red, green, blue = np.array(YCBCR) / 255
        return np.floor(r * red + g * green + b * blue + YCBCR_BLACK + 0.5).astype(np.uint8)
    coefficients, unit = COEFFICIENTS[kind]
    precision = np.float32 if kind == "yiq" else np.float64  # both exact for integer samples
    grey = rgb.astype(precision) @ np.array(coefficients, precision)
    grey = grey / precision(unit)
    result = np.rint(grey)
    if kind == "yiq":
        halfway = np.nonzero(np.abs(grey - result) == 0.5)
        result[halfway] = np.rint(np.float32(255) * float32_sum(rgb[halfway], GREY))
    else:
        result = np.floor(grey + 0.5)
    return result.astype(np.uint8)


def stretched_levels(rgb: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Computes IQA-PyTorch's grey levels for PIQE: rescaled to a maximum of 255 before rounding."""
    samples = rgb if rgb.dtype == np.uint8 else as_levels(rgb)
    precision = np.float32 if rgb.dtype == np.uint8 else np.float64  # both exact for integer samples
    grey = samples.astype(precision) @ np.array(COEFFICIENTS["yiq"][0], precision)
    place = np.unravel_index(grey.argmax(), grey.shape)
    largest = float(grey[place])
    if not largest:
        return np.zeros(grey.shape, np.uint8)
    brightest = float32_sum(samples[place][None], GREY)

    def stretched(rows: slice) -> UInt8[np.ndarray, "h w"]:
        exact = grey[rows].astype(np.float64) * (255 / largest)
        result = np.rint(exact)
        halfway = np.nonzero(np.abs(exact - result) > 0.5 - 1e-4)
        result[halfway] = np.rint(np.float32(255) * float32_sum(samples[rows][halfway], GREY) / brightest)
        return result.astype(np.uint8)

    return _by_strips(stretched, grey.shape)


def _by_strips(function: Callable, shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w"]:
    """Calls `function(rows)` on strips of rows small enough for their float64 data to stay in the CPU cache."""
    result = np.empty(shape, np.uint8)
    step = max(1, STRIP_PIXELS // shape[1])
    for start in range(0, shape[0], step):
        result[start : start + step] = function(slice(start, start + step))
    return result


def as_levels(rgb: Shaped[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Scales floating samples from 0..1 to 0..255, snapping values within rounding error of an integer to it."""
    samples = rgb.astype(np.float64) * 255
    whole = np.rint(samples)
    return np.where(np.abs(samples - whole) < 1e-4, whole, samples)


def float32_sum(rgb: Shaped[np.ndarray, "*n 3"], weights: tuple[float, ...]) -> Shaped[np.ndarray, "*n"]:
    """Computes the weighted sum of levels / 255 as IQA-PyTorch does: in float32 with fused multiply-adds."""
    samples = np.moveaxis(rgb.astype(np.float32) / np.float32(255), -1, 0).astype(np.float64)
    red, green, blue = np.array(weights, np.float32).astype(np.float64)
    total = (samples[0] * red).astype(np.float32)
    total = (samples[1] * green + total).astype(np.float32)
    return (samples[2] * blue + total).astype(np.float32)

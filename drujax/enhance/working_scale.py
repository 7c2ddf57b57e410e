"""A picture at working scale: what a network sees of it, whatever its size.

Few shapes, so that few programs are compiled. What is not visible (transparent pixels, black bars at the border) is
filled with the colours around it, because it must not decide how much a picture is brightened.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from drujax.pictures import vips
from drujax.pictures.color import luma
from drujax.pictures.resampling import resized

Small = Float[np.ndarray, "h w 3"]  # a picture at working scale, in 0..1

# Shorter side in pixels, at which the released networks were trained. The longer one is a multiple of STEP, and at
# most LONGEST times as long; longer pictures are squeezed.
SIDE, STEP, LONGEST = 192, 64, 3
# Rows and columns at the border that are nowhere brighter than this are bars.
BAR = 6 / 255
LEVELS = 6  # of the pyramid that fills holes; STEP is 2 to this power


def working_size(height: int, width: int) -> tuple[int, int]:
    """Returns the working size (height, width) of a picture."""
    short, long = min(height, width), max(height, width)
    steps = round(long * SIDE / (short * STEP))
    side = STEP * min(max(steps, SIDE // STEP), LONGEST * SIDE // STEP)
    return (SIDE, side) if height <= width else (side, SIDE)


def at_working_scale(picture: Any, *, compact: bool = False) -> Float[np.ndarray, "h2 w2 3"] | None:
    """Returns a picture at working scale, in 0..1, without holes; None where nothing of it is visible.

    Args:
        picture: a lazy image: RGB, or RGBA with the opacity as the last channel, of 8 or 16 bits or floats in 0..1.
        compact: resize in 16 bits instead of floats, which takes half of the memory; only of RGB.
    """
    if picture.bands == 4:
        image = picture.linear(1 / vips.top(picture), 0)
        image = _to_size((image[:3] * image[3]).bandjoin(image[3]))
        weight = image[..., 3].clip(0, 1)
        image = image[..., :3] / np.maximum(weight, 1e-6)[..., None]
    else:
        image = _to_size_compactly(picture) if compact else _to_size(picture.linear(1 / vips.top(picture), 0))
        weight = np.ones(image.shape[:2], np.float32)
    return _without_holes(image.clip(0, 1), weight)


def planes_at_working_scale(
    planes: Sequence[Shaped[np.ndarray, "_ _"]], to_rgb: Callable[..., Float[np.ndarray, "h2 w2 3"]]
) -> Float[np.ndarray, "h2 w2 3"] | None:
    """Returns a frame at working scale as `at_working_scale` does, from planes of 8 or 16 bits.

    Reducing them before the colours are converted is much faster than after.

    Args:
        planes: the first has the frame's size.
        to_rgb: converts reduced planes, in the range of their dtypes, to RGB, nominally in 0..1.
    """
    size = working_size(*planes[0].shape)
    small = [_plane_at(np.ascontiguousarray(plane), size) for plane in planes]
    image = to_rgb(*small).clip(0, 1)
    return _without_holes(image, np.ones(size, np.float32))


def _plane_at(plane: Shaped[np.ndarray, "h w"], size: tuple[int, int]) -> Float[np.ndarray, "h2 w2"]:
    """A plane at that size, through 16 bits: with fractions of a level of 8 bits."""
    image = vips.of_array(plane).cast("ushort")
    shift = 8 if plane.dtype == np.uint8 else 0
    reduced = vips.pixels(resized(image << shift if shift else image, *size))
    return reduced.reshape(size).astype(np.float32) / np.float32(1 << shift)


def _without_holes(
    image: Float[np.ndarray, "h w 3"], weight: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 3"] | None:
    """The image where it is visible, by its opacity, and filled elsewhere; None if nothing is."""
    weight = weight * _without_bars(luma(image) * (weight > 0.5))
    if weight.max() < 0.5:
        return None
    return image if weight.min() == 1 else _filled(image, np.where(weight > 0.5, weight, 0))


def _to_size(image: Any) -> Float[np.ndarray, "h2 w2 c"]:
    """The samples at working scale."""
    image = resized(image, *working_size(image.height, image.width))
    return vips.pixels(image).astype(np.float32, copy=False)


def _to_size_compactly(picture: Any) -> Float[np.ndarray, "h2 w2 c"]:
    """A picture of 8 or 16 bits at working scale, in 0..1, through 16 bits."""
    levels = picture.cast("ushort")
    if picture.format == "uchar":
        levels = (levels << 8) | levels  # 257 times
    return _to_size(vips.interpreted(levels)) / np.float32(65535)


def _without_bars(y: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """1 inside the smallest frame that holds all that is not black, but for its outermost pixels; 0 outside."""
    inside = np.zeros_like(y)
    rows, columns = (np.flatnonzero(y.max(axis) > BAR) for axis in (1, 0))
    if rows.size:
        inside[_frame(rows, y.shape[0]), _frame(columns, y.shape[1])] = 1
    return inside


def _frame(positions: np.ndarray, n: int) -> slice:
    """From the first to the last position of n, without those next to a bar, where resampling mixed it in."""
    first, last = positions[0], positions[-1]
    return slice(first + (first > 0), last + (last == n - 1))


def _filled(image: Float[np.ndarray, "h w 3"], weight: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """The image with weighted means of what is around in the places of weight 0, from finer to coarser scales."""
    # Sums over blocks of 2 x 2, over and over: what was weighted stays weighted.
    sums, weights = [image * weight[..., None]], [weight]
    for _ in range(LEVELS):
        sums.append(_blocks(sums[-1]))
        weights.append(_blocks(weights[-1]))
    total = sums[-1].sum((0, 1)) / weights[-1].sum()
    filled = np.broadcast_to(total, sums[-1].shape)
    for of, weight_of in zip(reversed(sums), reversed(weights), strict=True):
        filled = np.repeat(np.repeat(filled, of.shape[0] // filled.shape[0], 0), of.shape[1] // filled.shape[1], 1)
        share = np.minimum(weight_of, 1)[..., None]
        filled = filled + share * (of / np.maximum(weight_of, 1e-6)[..., None] - filled)
    return filled.astype(np.float32)


def _blocks(x: Float[np.ndarray, "h w ..."]) -> Float[np.ndarray, "h2 w2 ..."]:
    h, w, *rest = x.shape
    return x.reshape(h // 2, 2, w // 2, 2, *rest).sum((1, 3))

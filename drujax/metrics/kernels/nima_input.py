"""Preprocessing for NIMA's networks: a square image of fixed size in [-1, 1]."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from PIL import Image

from drujax.pictures.color import to_float

INCEPTION_SIDE, MOBILENET_SIDE = 299, 224


def centre_square(image: Shaped[np.ndarray, "h w 3"], *, antialias: bool = True) -> Float[np.ndarray, "299 299 3"]:
    """Resizes the shorter side to 299 pixels and crops the centre, as IQA-PyTorch's `nima` does.

    Bilinear, like torchvision's resizing of tensors; `antialias` is its default since 0.17 (False before). Only the
    cropped part is computed.
    """
    h, w = image.shape[:2]
    (y, of_y), (x, of_x) = (_cropped_taps(side, min(h, w), antialias=antialias) for side in (h, w))
    # Few pixels contribute to each output: products with sparse resizing matrices took several times as long.
    rows = _weighted_sums(image[:, x.min() : x.max() + 1], y, of_y)
    columns = _weighted_sums(rows.swapaxes(0, 1), x - x.min(), of_x)
    white = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1
    return 2 * columns.swapaxes(0, 1) / np.float32(white) - 1


def squeezed(image: Shaped[np.ndarray, "h w 3"]) -> Float[np.ndarray, "224 224 3"]:
    """Resizes the whole image to 224 x 224 by nearest neighbour, aspect ratio not kept, as idealo's code does."""
    rows, columns = (_nearest(side) for side in image.shape[:2])
    samples = image[rows[:, None], columns]
    return 2 * (to_float(samples) if samples.dtype.kind == "u" else samples.astype(np.float32)) - 1


def _weighted_sums(
    samples: Shaped[np.ndarray, "n a 3"], source: Int[np.ndarray, "m k"], weight: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "m a 3"]:
    """Returns m weighted sums of k samples each, along the first axis."""
    result = np.zeros((len(source), *samples.shape[1:]), np.float32)
    for place, of_place in zip(source.T, weight.T, strict=True):
        result += samples[place].astype(np.float32) * of_place[:, None, None]
    return result


def _cropped_taps(
    side: int, shorter: int, *, antialias: bool
) -> tuple[Int[np.ndarray, "299 k"], Float[np.ndarray, "299 k"]]:
    """Returns the source pixels, and their weights, of the central 299 pixels of a resized axis."""
    length = int(INCEPTION_SIDE * side / shorter)
    first = round((length - INCEPTION_SIDE) / 2)  # ties to even, as in torchvision
    scale = side / length
    centre = (first + np.arange(INCEPTION_SIDE) + 0.5) * scale
    reach = max(scale, 1.0) if antialias else 1.0
    source = np.ceil(centre - reach - 0.5).astype(int)[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
    distance = source + 0.5 - centre[:, None]
    weight = np.where((source >= 0) & (source < side), np.maximum(1 - np.abs(distance) / reach, 0), 0)
    return source.clip(0, side - 1), (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _nearest(side: int) -> Int[np.ndarray, "224"]:
    """Returns the source pixels that Pillow chooses along an axis, with its rounding of ties."""
    positions = Image.fromarray(np.arange(side, dtype=np.int32)[None])
    return np.asarray(positions.resize((MOBILENET_SIDE, 1), Image.Resampling.NEAREST))[0]

"""Quartile average brightness (QAB): which images are confidently dark or bright (eqs. 1 and 2 of the paper).

Brightness is ITU-R 601 luma in 0..255 of the full-resolution image. The quartiles are its 2x2 split at floor(h/2),
floor(w/2). In an image of one row or column some are empty; an empty one takes the mean of the whole image, which lies
between the others' and so does not change the class.
"""

from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Shaped

from drujax.errors import UsageError
from drujax.pictures import vips
from drujax.pictures.color import luma

Partition = Literal["dark", "bright", "uncertain"]
PARTITIONS: tuple[Partition, ...] = get_args(Partition)
LOW, HIGH = 50.0, 150.0  # B_low and B_high of eq. 1


def quartile_means(rgb: Shaped[np.ndarray, "*b h w 3"]) -> Float[np.ndarray, "*b 4"]:
    """Computes eq. 2: the mean luma (0..255) of the top-left, top-right, bottom-left and bottom-right quartile.

    Args:
        rgb: images of one size: uint8, uint16 (then 0..65535 counts as 0..255), or floats in 0..255.
    """
    row, column = rgb.shape[-3] // 2, rgb.shape[-2] // 2
    quartiles = [
        rgb[..., rows, columns, :]
        for rows in (slice(None, row), slice(row, None))
        for columns in (slice(None, column), slice(column, None))
    ]
    return np.stack([mean_luma(quartile if 0 not in quartile.shape[-3:-1] else rgb) for quartile in quartiles], axis=-1)


def quartile_means_of_image(image: Any) -> Float[np.ndarray, "4"]:
    """Computes eq. 2 of a lazy image of libvips, RGB of 8 or 16 bits and at least 2 x 2 pixels, in one pass."""
    place = vips.library().Image.xyz(image.width, image.height)
    index = (place[1] >= image.height // 2) / 255 * 2 + (place[0] >= image.width // 2) / 255
    sums = vips.pixels(image.hist_find_indexed(index.cast("uchar"), combine="sum"))[0, :4]
    rows, columns = (np.array([side // 2, side - side // 2]) for side in (image.height, image.width))
    scale = 255 / vips.top(image)
    return luma((sums / np.outer(rows, columns).reshape(4, 1))[:, None, None])[:, 0, 0] * scale


def mean_luma(rgb: Shaped[np.ndarray, "*b h w 3"]) -> Float[np.ndarray, "*b"]:
    """Computes the mean luma (0..255) of each image; `rgb` as in `quartile_means`."""
    # Luma is linear: that of the mean colour is the mean of the lumas. Adding rows before columns is 15 times as fast
    # as NumPy's mean over both axes, and exact for integers.
    colour = rgb.sum(axis=-3, dtype=np.float64).sum(axis=-2) / (rgb.shape[-3] * rgb.shape[-2])
    scale = 1 / 257 if rgb.dtype == np.uint16 else 1.0
    return np.asarray(luma(colour[..., None, None, :])[..., 0, 0] * scale)


def classify(means: Float[np.ndarray, "4"], low: float = LOW, high: float = HIGH) -> Partition:
    """Classifies by eq. 1: "dark" if any mean is below `low`, "bright" if all are above `high`, else "uncertain".

    Raises:
        UsageError: `low` above `high`, which would make images dark and bright at once, or NaN.
    """
    return classify_all(means[None], low, high)[0]


def classify_all(means: Float[np.ndarray, "n 4"], low: float = LOW, high: float = HIGH) -> list[Partition]:
    """Applies `classify` to many images."""
    if not low <= high:  # true for NaN, too
        raise UsageError(f"low: must be <= high ({high:g}), got {low:g}")
    chosen = np.select([(means < low).any(axis=-1), (means > high).all(axis=-1)], [0, 1], 2)
    return [PARTITIONS[choice] for choice in chosen]

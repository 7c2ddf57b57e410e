"""Luminance and colour statistics: mean luma, clipped pixels, colourfulness. They describe, but do not rate, images."""

import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.data import qab
from drujax.metrics.kernels.validation import validated_images


def mean_luma(images: Shaped[Array | np.ndarray, "..."]) -> Float[np.ndarray, " b"]:
    """Mean ITU-R 601 luma of each image, 0..255. Images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]."""
    return qab.mean_luma(_in_levels(validated_images(images, "mean_luma")))


def clipped(images: Shaped[Array | np.ndarray, "..."]) -> Float[np.ndarray, "b 2"]:
    """Fraction of each image's pixels with all channels at 0 (crushed), and with any channel at 255 (blown out).

    Floating values are rounded to the nearest level.
    """
    levels = np.rint(_in_levels(validated_images(images, "clipped")))
    crushed, blown = (levels == 0).all(axis=-1), (levels == 255).any(axis=-1)
    return np.stack([part.mean(axis=(1, 2)) for part in (crushed, blown)], axis=-1)


def colourfulness(images: Shaped[Array | np.ndarray, "..."]) -> Float[np.ndarray, " b"]:
    """Colourfulness M^(3) of each image: 0 for grey ones, about 110 for extremely colourful ones.

    Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003: with rg = R - G and
    yb = (R + G) / 2 - B of levels 0..255, sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2).
    """
    rgb = _in_levels(validated_images(images, "colourfulness"))
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    spread, mean = opponents.std(axis=(2, 3)), opponents.mean(axis=(2, 3))
    return np.hypot(*spread) + 0.3 * np.hypot(*mean)


def _in_levels(images: Shaped[np.ndarray, "b h w 3"]) -> Shaped[np.ndarray, "b h w 3"]:
    return images if images.dtype == np.uint8 else images * 255

"""Validation of the metrics' input images."""

import numpy as np
from jaxtyping import Array, Float32, Shaped

from drujax.errors import UsageError
from drujax.pictures.arrays import as_images, native
from drujax.pictures.color import to_float


def validated_images(
    images: Shaped[Array | np.ndarray, "..."], metric: str, smallest: int = 1
) -> Shaped[np.ndarray, "b h w 3"]:
    """Converts `images` to an array (b, h, w, 3) of uint8, or of floating values in 0..1.

    Args:
        images: (h, w, 3) or (b, h, w, 3): uint8, uint16 (0..65535, scaled to 0..1) or floating in 0..1 (clipped).
        metric: name of the metric, for error messages.
        smallest: minimum side in pixels.

    Raises:
        UsageError: shape, dtype, range or size is invalid, the batch is empty, or values are NaN.
    """
    batch = native(as_images(images, metric))
    batch = batch[None] if batch.ndim == 3 else batch
    _, h, w, _ = batch.shape
    if min(h, w) < smallest:
        raise UsageError(f"{metric}: each side must be >= {smallest} pixels, got {w}x{h}")
    if batch.dtype == np.uint8:
        return batch
    if batch.dtype == np.uint16:
        return to_float(batch)
    batch = batch.astype(np.promote_types(batch.dtype, np.float32)) if batch.dtype.itemsize < 4 else batch
    return batch.clip(0, 1)


def as_pair(
    images: Shaped[Array | np.ndarray, "..."],
    truth: Shaped[Array | np.ndarray, "..."],
    metric: str,
    smallest: int = 1,
) -> tuple[Float32[np.ndarray, "b h w 3"], Float32[np.ndarray, "b h w 3"]]:
    """Converts images and their references, of equal shape, to float32 in 0..1, like `validated_images`."""
    pair = [validated_images(of, metric, smallest) for of in (images, truth)]
    if pair[0].shape != pair[1].shape:
        raise UsageError(f"{metric}: images and truth must have equal shapes, got {pair[0].shape} and {pair[1].shape}")
    x, y = (to_float(of) if of.dtype == np.uint8 else of.astype(np.float32) for of in pair)
    return x, y

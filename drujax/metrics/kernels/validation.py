"""What metrics accept as pictures, checked once for all of them."""

import numpy as np
from jaxtyping import Array, Float32, Shaped

from drujax.errors import UsageError
from drujax.pictures.arrays import as_images, native
from drujax.pictures.color import to_float


def as_pictures(
    images: Shaped[Array | np.ndarray, "..."], metric: str, smallest: int = 1
) -> Shaped[np.ndarray, "b h w 3"]:
    """`images` as an array (b, h, w, 3) of uint8, or of floating numbers in 0..1.

    Args:
        images: (h, w, 3) or (b, h, w, 3): uint8, uint16 (0..65535 counts as 0..1) or floating in 0..1, clipped.
        metric: who asks, for the messages.
        smallest: the least side in pixels.

    Raises:
        UsageError: as `as_images`; a picture too small.
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
    """Pictures and what they are compared with, in 0..1, of one shape. Arguments and errors as of `as_pictures`."""
    pictures = [as_pictures(of, metric, smallest) for of in (images, truth)]
    if pictures[0].shape != pictures[1].shape:
        raise UsageError(f"{metric}: shapes {pictures[0].shape} and {pictures[1].shape} differ.")
    x, y = (to_float(of) if of.dtype == np.uint8 else of.astype(np.float32) for of in pictures)
    return x, y

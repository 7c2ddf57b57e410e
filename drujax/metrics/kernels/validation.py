"""What metrics accept as pictures, checked once for all of them."""

import numpy as np
from jaxtyping import Array, Float32, Shaped

from drujax.errors import UsageError
from drujax.pictures.color import to_float

# Floating pictures may leave 0..1 by this much, as rounding does; more is a mistake (0..255?).
SLACK = 1e-3


def as_pictures(
    images: Shaped[Array | np.ndarray, "..."], metric: str, smallest: int = 1
) -> Shaped[np.ndarray, "b h w 3"]:
    """`images` as an array (b, h, w, 3) of uint8, or of floating numbers in 0..1.

    Args:
        images: (h, w, 3) or (b, h, w, 3): uint8, uint16 (0..65535 counts as 0..1) or floating in 0..1, clipped.
        metric: who asks, for the messages.
        smallest: the least side in pixels.

    Raises:
        UsageError: another shape, dtype or range, no picture, values that are no numbers, a picture too small.
    """
    batch = np.asarray(images)
    batch = batch[None] if batch.ndim == 3 else batch
    if batch.ndim != 4 or batch.shape[-1] != 3 or 0 in batch.shape:
        raise UsageError(
            f"{metric}: images of shape {np.shape(images)}; it must be (h, w, 3) or (b, h, w, 3), each at least 1."
        )
    b, h, w, _ = batch.shape
    if min(h, w) < smallest:
        raise UsageError(f"{metric}: a picture of {w}x{h} pixels is too small; each side needs at least {smallest}.")
    if batch.dtype == np.uint8:
        return batch
    if batch.dtype == np.uint16:
        return to_float(batch)
    if batch.dtype.kind != "f" and batch.dtype.name != "bfloat16":
        raise UsageError(f"{metric}: images of {batch.dtype}; choices: uint8, uint16, or floating numbers in 0..1.")
    batch = batch.astype(np.promote_types(batch.dtype, np.float32)) if batch.dtype.itemsize < 4 else batch
    low, high = batch.min(), batch.max()
    if not (low >= -SLACK and high <= 1 + SLACK):  # false for NaN, too
        raise UsageError(f"{metric}: floating values must be in 0..1; these go from {low:g} to {high:g}.")
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

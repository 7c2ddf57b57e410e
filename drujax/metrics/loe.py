"""LOE, the lightness order error: how often enhancing changes which of two pixels is the lighter one."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Shaped

from drujax.metrics.kernels.validation import as_pair

SHORT_SIDE = 100  # pixels that are compared, as in the authors' code


def loe(
    enhanced: Shaped[Array | np.ndarray, "..."], original: Shaped[Array | np.ndarray, "..."]
) -> Float[np.ndarray, " b"]:
    """Computes the lightness order error of each image, in thousandths: 0 (kept) to 1000; lower is better.

    Wang, Zheng, Hu and Li, "Naturalness preserved enhancement algorithm for non-uniform illumination images", IEEE TIP
    22(9), 2013. Lightness is the largest of R, G and B; both images are sampled at the same positions, the nearest
    pixels of a grid whose short side is 100 (every pixel of smaller images); for each pair of positions it counts
    whether "at least as light" differs between the images. The mean is taken over pairs, so that the value does not
    grow with the grid: it is the authors' sum over its 100 x w positions, divided by their number, times 1000.

    Args:
        enhanced: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1].
        original: of the same shape.

    Raises:
        UsageError: the shapes differ, or an array is not an image.
    """
    lightness = [_sampled(images.max(axis=-1)) for images in as_pair(enhanced, original, "loe")]
    return np.array([1000 * _changed_share(*pair) for pair in zip(*lightness, strict=True)])


def _changed_share(enhanced: Float[np.ndarray, " p"], original: Float[np.ndarray, " p"]) -> float:
    """Returns the fraction of pairs whose order differs."""
    # Summed in int64 on the host: the pairs of 100 x 464 positions overflow int32.
    return int(np.asarray(_changed(enhanced, original)).sum(dtype=np.int64)) / len(enhanced) ** 2


def _sampled(lightness: Shaped[np.ndarray, "b h w"]) -> Float[np.ndarray, "b p"]:
    h, w = lightness.shape[1:]
    factor = min(1.0, SHORT_SIDE / min(h, w))
    rows, columns = (
        ((np.arange(max(1, round(side * factor))) + 0.5) / factor).astype(int).clip(0, side - 1) for side in (h, w)
    )
    return lightness[:, rows][:, :, columns].reshape(len(lightness), -1).astype(np.float32)


@jax.jit
def _changed(enhanced: Float[Array, " p"], original: Float[Array, " p"]) -> Int32[Array, " p"]:
    """Counts the pairs whose order changes for each position, one position at a time to save memory."""

    def count(place):
        differs = (enhanced[place] >= enhanced) != (original[place] >= original)
        return differs.sum(dtype=jnp.int32)

    return jax.lax.map(count, jnp.arange(len(enhanced)))

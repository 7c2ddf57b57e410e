"""MS-SSIM: full-reference structural similarity over five scales."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from drujax.metrics.kernels.validation import as_pair
from drujax.metrics.ssim import WINDOW, Given, similarity

# Exponents of the scales, finest first (table 1 of the paper); the last also applies to luminance.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = WINDOW * 2 ** (len(WEIGHTS) - 1)  # the window fits into the coarsest scale


def ms_ssim(images: Given, truth: Given) -> Float[np.ndarray, " b"]:
    """Computes the multi-scale structural similarity of each image: 0 to 1 (identical); higher is better.

    Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003: contrast
    and structure at five scales, each half the size of the last (2 x 2 means; an odd last row or column is dropped),
    luminance at the coarsest. Window and constants as in `ssim`; R, G and B are compared separately and averaged.
    Negative similarities of a scale count as 0, since their powers are not real.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 176 pixels.
        truth: reference images of the same shape.

    Raises:
        UsageError: an argument is invalid, or the shapes differ.
    """
    return np.asarray(_ms_ssim(*as_pair(images, truth, "ms_ssim", SMALLEST)))


@jax.jit
def _ms_ssim(x, y):
    product = jnp.ones(())
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        luminance, structure = similarity(x, y)
        last = scale == len(WEIGHTS) - 1
        term = jnp.mean(luminance * structure if last else structure, axis=(1, 2))  # b c
        product = product * jnp.maximum(term, 0) ** weight
    return product.mean(axis=-1)


def _halved(x):
    b, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))

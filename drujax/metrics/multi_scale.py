"""MS-SSIM: structural similarity over five scales, for pictures whose truth is known."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.errors import UsageError
from drujax.metrics.fidelity import WINDOW, Images, similarity

# Exponents of the scales, finest first (table 1 of the paper; the last is that of luminance, too).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = WINDOW * 2 ** (len(WEIGHTS) - 1)  # the window fits into the coarsest scale


def ms_ssim(image: Images, truth: Images) -> Float[Array, " b"]:
    """Multi-scale structural similarity of each picture, values in [0, 1]; 1 for equal ones, higher is better.

    Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003: contrast
    and structure at five scales, each half the one before (means of 2 x 2 pixels, an odd last row or column is left
    out), luminance at the coarsest. Window and constants as in `ssim`; R, G and B are compared separately and averaged.
    Negative similarities of a scale count as 0, since their powers are not real.

    Raises:
        UsageError: a side under 176 pixels.
    """
    _, h, w, _ = image.shape
    if min(h, w) < SMALLEST:
        raise UsageError(f"ms_ssim: pictures of {w}x{h} pixels are too small; each side needs at least {SMALLEST}.")
    return _ms_ssim(image, truth)


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

"""Full-reference metrics PSNR and SSIM, for scenes available both dark and bright."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.metrics.kernels.validation import as_pair

Images = Float[Array, "b h w 3"]
Given = Shaped[Array | np.ndarray, "..."]

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def psnr(images: Given, truth: Given) -> Float[np.ndarray, " b"]:
    """Computes the peak signal-to-noise ratio in dB of each image; higher is better, infinite for identical images.

    10 log10(1 / MSE) of values in 0..1, with the mean over pixels and channels.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1].
        truth: reference images of the same shape.

    Raises:
        UsageError: an argument is invalid, or the shapes differ.
    """
    return np.asarray(_psnr(*as_pair(images, truth, "psnr")))


def ssim(images: Given, truth: Given) -> Float[np.ndarray, " b"]:
    """Computes the structural similarity of each image: in [-1, 1], higher is better, 1 for identical images.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 13(4), 2004: a
    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, no padding, no downsampling; weighted
    (biased) variances. R, G and B are compared separately and averaged. Equals scikit-image's with channel_axis,
    gaussian_weights and use_sample_covariance=False, except at the border.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 11 pixels.
        truth: reference images of the same shape.

    Raises:
        UsageError: an argument is invalid, or the shapes differ.
    """
    return np.asarray(_ssim(*as_pair(images, truth, "ssim", WINDOW)))


@jax.jit
def _psnr(x, y):
    return -10 * jnp.log10(jnp.mean((x - y) ** 2, axis=(1, 2, 3)))


@jax.jit
def _ssim(x, y):
    luminance, structure = similarity(x, y)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def similarity(x: Images, y: Images) -> tuple[Float[Array, "b h2 w2 3"], Float[Array, "b h2 w2 3"]]:
    """Returns the luminance term, and the contrast and structure term, of each window of each channel."""
    # Variances are shift-invariant; near zero mean, their differences of squares lose less precision.
    shift = jnp.mean(y, axis=(1, 2), keepdims=True)
    x0, y0 = x - shift, y - shift
    mean_x, mean_y = _blur(x0), _blur(y0)
    variance_x = _blur(x0 * x0) - mean_x**2
    variance_y = _blur(y0 * y0) - mean_y**2
    covariance = _blur(x0 * y0) - mean_x * mean_y
    mean_x, mean_y = mean_x + shift, mean_y + shift
    c1, c2 = K1**2, K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return luminance, structure


def _blur(x):
    """Gaussian means without padding, along rows and then columns; as sums of slices, which XLA fuses into one pass."""
    taps = np.exp(-(((np.arange(WINDOW) - WINDOW // 2) / SIGMA) ** 2) / 2)
    taps = [float(tap) for tap in taps / taps.sum()]
    h, w = x.shape[1] - WINDOW + 1, x.shape[2] - WINDOW + 1
    x = sum((tap * x[:, i : i + h] for i, tap in enumerate(taps)), jnp.zeros(()))
    return sum((tap * x[:, :, i : i + w] for i, tap in enumerate(taps)), jnp.zeros(()))

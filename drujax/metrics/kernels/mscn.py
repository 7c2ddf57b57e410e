"""Mean-subtracted contrast-normalised (MSCN) coefficients, computed from differences to the centre pixel.

    s = (Y - mu) / (sigma + 1),  mu = w * Y,  sigma^2 = w * Y^2 - mu^2,  w a 7x7 Gaussian of sigma 7/6

(Ruderman 1994; Mittal et al., IEEE TIP 21(12), 2012). BRISQUE and NIQE depend on the signs of products of neighbouring
s. In a flat window Y - mu is zero up to rounding, whose sign depends on the order of summation. On anime, with its flat
areas, the usual implementations therefore differ by whole points between machines.

Here mu - Y is the sum of second differences of Y, w_j (Y[+j] + Y[-j] - 2 Y[0]), which are exact for levels 0..255. So
**a window that is flat, or a linear ramp along rows and columns, gives exactly zero** (plus the effect of `excess`), in
any precision and on any device, and rounding errors are relative to the contrast in the window, not to its brightness.
This makes float32 as good as the references' float64: on the 26 images of the goldens, computing in float64 changes
BRISQUE by at most 3e-4 (2e-3 for an image that is 30 % flat) and takes twice as long on CPU. Sums over many pixels are
completed on the host in float64.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Scalar = float | Float[Array, ""]

RADIUS = 3
SIGMA = 7 / 6

_TAPS = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
TAPS = _TAPS / _TAPS.sum()
# Excess over 1 of the sum of IQA-PyTorch's window, whose 49 weights are rounded to float32.
FLOAT32_EXCESS = float(np.outer(TAPS, TAPS).astype(np.float32).astype(np.float64).sum() - 1)


def mscn(padded: Float[Array, "*b h w"], *, excess: Scalar = 0.0, epsilon: Scalar = 0.0) -> Float[Array, "*b h-6 w-6"]:
    """Computes the coefficients of images in 0..255.

    Args:
        padded: images padded by 3 pixels, with zeros or edge pixels depending on the metric.
        excess: excess of the sum of the window's weights over 1 (`FLOAT32_EXCESS`); a flat window of level Y then gives
            about -excess Y, as in IQA-PyTorch, instead of zero.
        epsilon: added to the variance under the root.
    """
    mean, square = _from_centre(padded, -1)
    centre = padded[..., RADIUS:-RADIUS]

    # Along columns; each row's mean and mean square are relative to that row's centre pixel.
    middle = slice(RADIUS, -RADIUS)
    level = centre[..., middle, :]
    deviation = TAPS[RADIUS] * mean[..., middle, :]
    power = TAPS[RADIUS] * square[..., middle, :]
    for j in range(1, RADIUS + 1):
        weight = float(TAPS[RADIUS + j])
        up, down = _shifted(centre, -j, -2) - level, _shifted(centre, j, -2) - level
        up_mean, down_mean = _shifted(mean, -j, -2), _shifted(mean, j, -2)
        deviation = deviation + weight * ((up + down) + (up_mean + down_mean))
        power = power + weight * (
            (_shifted(square, -j, -2) + up * (2 * up_mean + up))
            + (_shifted(square, j, -2) + down * (2 * down_mean + down))
        )

    # With weights of sum 1 + e: mu - Y = deviation + e Y, and the variance loses e (2 Y deviation + (1 + e) Y^2).
    variance = power - deviation**2
    variance = variance - excess * (2 * level * deviation + (1 + excess) * level**2)
    deviation = deviation + excess * level
    return -deviation / (jnp.sqrt(jnp.abs(variance) + epsilon) + 1)


def _from_centre(x, axis: int):
    """Weighted means of x[+-j] - x[0] and of its square, along an axis."""
    centre = _shifted(x, 0, axis)
    mean = square = jnp.zeros((), x.dtype)
    for j in range(1, RADIUS + 1):
        weight = float(TAPS[RADIUS + j])
        before, after = _shifted(x, -j, axis) - centre, _shifted(x, j, axis) - centre
        mean = mean + weight * (before + after)
        square = square + weight * (before**2 + after**2)
    return mean, square


def _shifted(x, by: int, axis: int):
    """Returns `x` cropped by 3 on both ends of an axis, shifted by `by` pixels."""
    length = x.shape[axis] - 2 * RADIUS
    start = RADIUS + by
    return x[..., start : start + length, :] if axis == -2 else x[..., start : start + length]

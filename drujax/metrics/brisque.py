"""BRISQUE: how far the statistics of a picture's contrast are from those of undistorted ones, by support vectors.

Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain", IEEE TIP 21(12), 2012; the
model is that of the authors' release, trained on the LIVE database.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from drujax.errors import unknown
from drujax.metrics import natural_scenes
from drujax.metrics.aggd import fit_aggd, ggd_shape
from drujax.metrics.arguments import as_pictures
from drujax.metrics.buckets import boxed, run
from drujax.metrics.luma import Luma, levels
from drujax.metrics.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.resize import HALF_BORDER
from drujax.metrics.strips import over_strips, strip_height

# The window of 7 pixels fits into the half-size picture.
SMALLEST = 13
# Neighbours (rows below, columns to the right) whose products with a pixel are measured.
NEIGHBOURS = ((0, -1), (-1, 0), (-1, -1), (1, -1))


class Arithmetic(NamedTuple):
    """Where the references differ: the grey picture, the sum of the window's weights, what is added to a variance."""

    luma: Luma
    excess: float
    epsilon: float


REFERENCES = {
    "pyiqa": Arithmetic("yiq", FLOAT32_EXCESS, float(np.finfo(np.float32).eps)),
    "matlab": Arithmetic("matlab", 0.0, 0.0),
}


def brisque(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> Float[np.ndarray, " b"]:
    """BRISQUE of each picture: about 0 (best) to 100 (worst), not clamped; lower is better.

    Flat regions: `reference="pyiqa"` lets a flat window of level Y deviate by -1.1e-8 Y, as the rounded window of
    IQA-PyTorch does (in its float32 the noise of summation hides this, so it agrees with its code run in float64);
    "matlab" gives exactly zero, where the authors' code has the noise of float64.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 13 pixels.
        reference: whose arithmetic: IQA-PyTorch's `brisque`, or the authors' MATLAB release.

    Returns:
        float64; NaN for a picture without any contrast to measure (all black).

    Raises:
        UsageError: what `images` may not be.
    """
    return score(features(images, reference=reference))


def features(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> Float[np.ndarray, "b 36"]:
    """The 36 features of each picture, 18 a scale: shape and variance of the coefficients, then of their products with
    each of four neighbours shape, mean, and variance on the left and on the right. Arguments as of `brisque`.
    """
    if reference not in REFERENCES:
        raise unknown("reference", reference, REFERENCES)
    arithmetic = REFERENCES[reference]
    pictures = as_pictures(images, "brisque", SMALLEST)
    grey = (boxed(levels(picture, arithmetic.luma), HALF_BORDER) for picture in pictures)
    h, w = pictures.shape[1:3]
    sizes = (h * w, -(-h // 2) * -(-w // 2))
    results = run(_program, grey, arithmetic.excess, arithmetic.epsilon)
    return np.array([np.concatenate([_fit(*scale) for scale in zip(sums, sizes, strict=True)]) for sums in results])


def score(features: Float[np.ndarray, "b 36"]) -> Float[np.ndarray, " b"]:
    """The scores that the support vector regression gives to features."""
    model = natural_scenes.parameters()
    low, high = model["brisque_low"], model["brisque_high"]
    scaled = -1 + 2 * (features - low) / (high - low)
    distance = ((scaled[:, None] - model["brisque_vectors"]) ** 2).sum(axis=-1)
    # Not a matrix product: its order of adding depends on the number of rows.
    return (np.exp(-model["brisque_gamma"] * distance) * model["brisque_weights"]).sum(axis=-1) - model["brisque_rho"]


def _fit(sums: Float[np.ndarray, "strips 5 5 _"], size: int) -> Float[np.ndarray, " 18"]:
    """The features of one scale from its sums over rows: of the coefficients and of four kinds of products."""
    totals = sums.sum(axis=(0, -1), dtype=np.float64)
    grid = natural_scenes.grid()
    variance = totals[:1, :2].sum(axis=-1) / size
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = ggd_shape(variance / (totals[:1, 4] / size) ** 2, grid)
    products = totals[1:]
    fit = fit_aggd(products[:, :2], products[:, 2:4], products[:, 4], float(size), grid)
    rows = np.column_stack([fit.alpha, fit.mean, fit.sigma**2])
    return np.concatenate([shape, variance, rows.ravel()])


def _program(mirrored: UInt8[Array, "_ _"], height: Any, width: Any, excess: Any, epsilon: Any) -> tuple[Array, ...]:
    """Sums over the rows of each strip (strips 5 5 w) at both scales."""
    pictures = ((height, width), ((height + 1) // 2, (width + 1) // 2))
    return tuple(
        _sums(plane, size, *picture, excess, epsilon)
        for (plane, size), picture in zip(natural_scenes.two_scales(mirrored), pictures, strict=True)
    )


def _sums(plane: natural_scenes.Plane, size: tuple[int, int], height, width, excess, epsilon):
    """Sums of a picture of height x width in an array of `size`, of which `plane(first, count)` gives rows, also such
    beyond its edges, with any content there.
    """
    strip = strip_height()
    barrier = jax.lax.optimization_barrier
    columns = jnp.arange(size[1] + 2 * RADIUS) - RADIUS
    inside = (columns >= 0) & (columns < width)

    def coefficients(first, count: int):
        """Of `count` rows from `first` on. Every stage is materialised; XLA would else compute it for each use."""
        rows = jnp.pad(plane(first - RADIUS, count + 2 * RADIUS), ((0, 0), (RADIUS, RADIUS)))
        place = first - RADIUS + jnp.arange(count + 2 * RADIUS)[:, None]
        # Zeros around the picture, as filter2 has them.
        rows = barrier(jnp.where(inside & (place >= 0) & (place < height), rows, 0))
        s = mscn(rows, excess=excess, epsilon=epsilon)
        return barrier(jnp.where(inside[RADIUS:-RADIUS], s, 0))

    # Neighbours beyond an edge are at the opposite one (circshift).
    top, bottom = jax.vmap(lambda row: coefficients(row, 1))(jnp.stack([jnp.int32(0), height - 1]))

    def one_strip(place):
        first = place * strip
        rows = first - 1 + jnp.arange(strip + 2)[:, None]
        s = jnp.where(rows < height, coefficients(first - 1, strip + 2), jnp.where(rows == height, top, 0))
        s = jnp.where(rows < 0, bottom, s)
        left = jax.lax.dynamic_slice_in_dim(s, width - 1, 1, axis=1)
        around = barrier(jnp.concatenate([left, s], axis=1))
        own = barrier(jnp.where(rows < height, s, 0)[1:-1])
        moments = [natural_scenes.sums_over_rows(own)]
        for down, right in NEIGHBOURS:
            neighbour = around[1 + down : 1 + down + strip, 1 + right : 1 + right + s.shape[1]]
            moments.append(natural_scenes.sums_over_rows(own * neighbour))
        return jnp.stack([jnp.stack(parts) for parts in moments])

    return over_strips(one_strip, -(-height // strip), -(-size[0] // strip))

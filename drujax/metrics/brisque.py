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
from drujax.metrics.kernels import nss_params
from drujax.metrics.kernels.aggd import fit_aggd, ggd_shape
from drujax.metrics.kernels.bucketing import boxed, run
from drujax.metrics.kernels.grayscale import Luma, levels
from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.kernels.resize import HALF_BORDER
from drujax.metrics.kernels.tiles import over_tiles, tile_grid, tile_size
from drujax.metrics.kernels.validation import as_pictures
from drujax.metrics.registry import Metric

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

METRIC = Metric(
    "brisque", lower_is_better=True, smallest=13, range="about 0..100", references={"pyiqa": (), "matlab": ()}
)


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
    grey = (boxed(levels(picture, arithmetic.luma), HALF_BORDER, "symmetric") for picture in pictures)
    h, w = pictures.shape[1:3]
    sizes = ((h, w), (-(-h // 2), -(-w // 2)))
    results = run(_program, grey, arithmetic.excess, arithmetic.epsilon)
    return np.array([np.concatenate([_fit(*scale) for scale in zip(scales, sizes, strict=True)]) for scales in results])


def score(features: Float[np.ndarray, "b 36"]) -> Float[np.ndarray, " b"]:
    """The scores that the support vector regression gives to features."""
    model = nss_params.parameters()
    low, high = model["brisque_low"], model["brisque_high"]
    scaled = -1 + 2 * (features - low) / (high - low)
    distance = ((scaled[:, None] - model["brisque_vectors"]) ** 2).sum(axis=-1)
    # Not a matrix product: its order of adding depends on the number of rows.
    return (np.exp(-model["brisque_gamma"] * distance) * model["brisque_weights"]).sum(axis=-1) - model["brisque_rho"]


class Parts(NamedTuple):
    """What a program makes of each tile of a scale: sums over its rows of the coefficients and of four kinds of
    products with neighbours inside the picture (see `sums_over_rows`), and the coefficients along the picture's edges,
    wherever these are in the tile.
    """

    sums: Shaped[Any, "tiles 5 5 w"]
    rows: Shaped[Any, "tiles 2 w"]
    columns: Shaped[Any, "tiles 2 h"]


def _fit(parts: Parts, size: tuple[int, int]) -> Float[np.ndarray, " 18"]:
    """The features of one scale of a picture of `size` from its parts."""
    totals = parts.sums.sum(axis=(0, -1), dtype=np.float64)
    totals[1:] += [_sums_of(products) for products in _padding(parts, size)]
    count = size[0] * size[1]
    grid = nss_params.grid()
    variance = totals[:1, :2].sum(axis=-1) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = ggd_shape(variance / (totals[:1, 4] / count) ** 2, grid)
    products = totals[1:]
    fit = fit_aggd(products[:, :2], products[:, 2:4], products[:, 4], float(count), grid)
    rows = np.column_stack([fit.alpha, fit.mean, fit.sigma**2])
    return np.concatenate([shape, variance, rows.ravel()])


def _padding(parts: Parts, size: tuple[int, int]) -> list[Float[np.ndarray, " n"]]:
    """The products with neighbours beyond an edge, which are those at the opposite one (circshift), of each kind."""
    rows, columns = tile_grid(size)
    row_of, column_of = (part[: rows * columns].reshape(rows, columns, 2, -1) for part in (parts.rows, parts.columns))
    top, bottom = row_of[0, :, 0].ravel()[: size[1]], row_of[-1, :, 1].ravel()[: size[1]]
    left, right = column_of[:, 0, 0].ravel()[: size[0]], column_of[:, -1, 1].ravel()[: size[0]]
    return [
        left * right,
        top * bottom,
        np.concatenate([top * np.roll(bottom, 1), left[1:] * right[:-1]]),
        np.concatenate([bottom * np.roll(top, 1), left[:-1] * right[1:]]),
    ]


def _sums_of(products: Float[np.ndarray, " n"]) -> Float[np.ndarray, " 5"]:
    """As `sums_over_rows`, of everything."""
    x = products.astype(np.float64)
    return np.array([(x[x < 0] ** 2).sum(), (x[x > 0] ** 2).sum(), (x < 0).sum(), (x > 0).sum(), np.abs(x).sum()])


def _program(mirrored: UInt8[Array, "1 _ _"], height: Any, width: Any, excess: Any, epsilon: Any) -> tuple[Parts, ...]:
    """The parts of both scales."""
    pictures = ((height, width), ((height + 1) // 2, (width + 1) // 2))
    return tuple(
        _parts(plane, array, picture, excess, epsilon)
        for (plane, array), picture in zip(nss_params.two_scales(mirrored), pictures, strict=True)
    )


def _parts(plane: nss_params.Plane, array: tuple[int, int], picture: tuple[Any, Any], excess, epsilon) -> Parts:
    """Of a picture of the size `picture` in an array of the size `array`, tile by tile; every stage is materialised, as
    XLA would else compute it for each use.
    """
    high, wide = tile = tile_size()
    barrier = jax.lax.optimization_barrier

    def inside(first, size):
        rows, columns = (start + jnp.arange(side) for start, side in zip(first, size, strict=True))
        within = [(places >= 0) & (places < end) for places, end in zip((rows, columns), picture, strict=True)]
        return within[0][:, None] & within[1]

    def one_tile(corner):
        """With the row above, the row below and the column before, where neighbours are."""
        first, size = tuple(start - 1 - RADIUS for start in corner), (high + 2 + 2 * RADIUS, wide + 1 + 2 * RADIUS)
        # Zeros around the picture, as filter2 has them.
        known = jnp.where(inside(first, size), plane(first, size), 0)
        s = mscn(barrier(known), excess=excess, epsilon=epsilon)
        s = barrier(jnp.where(inside([start + RADIUS for start in first], s.shape), s, 0))
        own = s[1:-1, 1:]
        moments = [nss_params.sums_over_rows(own)]
        for down, right in NEIGHBOURS:
            neighbour = s[1 + down : 1 + down + high, 1 + right : 1 + right + wide]
            moments.append(nss_params.sums_over_rows(own * neighbour))
        bottom, right = (
            jnp.clip(end - 1 - start, 0, side - 1) for start, side, end in zip(corner, tile, picture, strict=True)
        )
        rows = jnp.stack([own[0], jax.lax.dynamic_index_in_dim(own, bottom, 0, keepdims=False)])
        columns = jnp.stack([own[:, 0], jax.lax.dynamic_index_in_dim(own, right, 1, keepdims=False)])
        return Parts(jnp.stack([jnp.stack(sums) for sums in moments]), rows, columns)

    return over_tiles(one_tile, tile, picture, array)

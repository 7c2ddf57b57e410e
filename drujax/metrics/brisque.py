"""BRISQUE: support vector regression on natural scene statistics of normalised luminance.

Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain", IEEE TIP 21(12), 2012; with
the model of the authors' release, trained on the LIVE database.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from drujax.errors import unknown
from drujax.metrics.kernels import nss_params
from drujax.metrics.kernels.aggd import fit_aggd, ggd_shape
from drujax.metrics.kernels.bucketing import pad_to_bucket, run
from drujax.metrics.kernels.grayscale import Luma, levels
from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.kernels.resize import HALF_BORDER
from drujax.metrics.kernels.tiles import over_tiles, tile_grid, tile_size
from drujax.metrics.kernels.validation import validated_images
from drujax.metrics.registry import Metric

# The 7-pixel window fits into the half-size image.
SMALLEST = 13
# Offsets (rows down, columns right) of the neighbours whose products with a pixel are fitted.
NEIGHBOURS = ((0, -1), (-1, 0), (-1, -1), (1, -1))


class Arithmetic(NamedTuple):
    """Differences of the references: grey conversion, excess of the window's sum over 1, epsilon added to variances."""

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
    """Computes BRISQUE of each image: about 0 (best) to 100 (worst), not clamped; lower is better.

    In flat regions `reference="pyiqa"` gives a deviation of -1.1e-8 Y for a flat window of level Y, as IQA-PyTorch's
    rounded window does. (Its float32 summation noise hides this; the values agree with its code run in float64.)
    "matlab" gives exactly zero, where the authors' code has float64 rounding noise.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 13 pixels.
        reference: implementation to reproduce: IQA-PyTorch's `brisque`, or the authors' MATLAB release.

    Returns:
        float64; NaN for an image without contrast (all black).

    Raises:
        UsageError: shape, dtype, range or size of `images` is invalid.
    """
    return score(features(images, reference=reference))


def features(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> Float[np.ndarray, "b 36"]:
    """Computes the 36 features of each image, 18 per scale: shape and variance of the MSCN coefficients; then shape,
    mean, left and right variance of their products with each of four neighbours. Arguments as in `brisque`.
    """
    if reference not in REFERENCES:
        raise unknown("reference", reference, REFERENCES)
    arithmetic = REFERENCES[reference]
    valid = validated_images(images, "brisque", SMALLEST)
    grey = (pad_to_bucket(levels(image, arithmetic.luma), HALF_BORDER, "symmetric") for image in valid)
    h, w = valid.shape[1:3]
    sizes = ((h, w), (-(-h // 2), -(-w // 2)))
    results = run(_program, grey, arithmetic.excess, arithmetic.epsilon)
    return np.array([np.concatenate([_fit(*scale) for scale in zip(scales, sizes, strict=True)]) for scales in results])


def score(features: Float[np.ndarray, "b 36"]) -> Float[np.ndarray, " b"]:
    """Predicts scores from features by support vector regression."""
    model = nss_params.parameters()
    low, high = model["brisque_low"], model["brisque_high"]
    scaled = -1 + 2 * (features - low) / (high - low)
    distance = ((scaled[:, None] - model["brisque_vectors"]) ** 2).sum(axis=-1)
    # Not a matrix product, whose summation order depends on the number of rows.
    return (np.exp(-model["brisque_gamma"] * distance) * model["brisque_weights"]).sum(axis=-1) - model["brisque_rho"]


class Parts(NamedTuple):
    """Results for each tile of a scale: sums over its rows for the coefficients and for their products with the four
    neighbours inside the image (see `sums_over_rows`), and the coefficients along the image's edges in the tile.
    """

    sums: Shaped[Any, "tiles 5 5 w"]
    rows: Shaped[Any, "tiles 2 w"]
    columns: Shaped[Any, "tiles 2 h"]


def _fit(parts: Parts, size: tuple[int, int]) -> Float[np.ndarray, " 18"]:
    """Computes the features of one scale of an image of `size` from its parts."""
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
    """Returns the products with neighbours beyond an edge, wrapped to the opposite edge (circshift), per neighbour."""
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
    """`sums_over_rows` of all samples."""
    x = products.astype(np.float64)
    return np.array([(x[x < 0] ** 2).sum(), (x[x > 0] ** 2).sum(), (x < 0).sum(), (x > 0).sum(), np.abs(x).sum()])


def _program(mirrored: UInt8[Array, "1 _ _"], height: Any, width: Any, excess: Any, epsilon: Any) -> tuple[Parts, ...]:
    """Computes the parts of both scales."""
    sizes = ((height, width), ((height + 1) // 2, (width + 1) // 2))
    return tuple(
        _parts(plane, array, image_size, excess, epsilon)
        for (plane, array), image_size in zip(nss_params.two_scales(mirrored), sizes, strict=True)
    )


def _parts(plane: nss_params.Plane, array: tuple[int, int], image_size: tuple[Any, Any], excess, epsilon) -> Parts:
    """Computes the parts of an image of `image_size` in an array of size `array`, tile by tile.

    Every stage is materialised; otherwise XLA would recompute it for each use.
    """
    high, wide = tile = tile_size()
    barrier = jax.lax.optimization_barrier

    def inside(first, size):
        rows, columns = (start + jnp.arange(side) for start, side in zip(first, size, strict=True))
        within = [(places >= 0) & (places < end) for places, end in zip((rows, columns), image_size, strict=True)]
        return within[0][:, None] & within[1]

    def one_tile(corner):
        """Computes one tile, with the row above, the row below and the column to the left for the neighbours."""
        first, size = tuple(start - 1 - RADIUS for start in corner), (high + 2 + 2 * RADIUS, wide + 1 + 2 * RADIUS)
        # Zero padding, as in MATLAB's filter2.
        known = jnp.where(inside(first, size), plane(first, size), 0)
        s = mscn(barrier(known), excess=excess, epsilon=epsilon)
        s = barrier(jnp.where(inside([start + RADIUS for start in first], s.shape), s, 0))
        own = s[1:-1, 1:]
        moments = [nss_params.sums_over_rows(own)]
        for down, right in NEIGHBOURS:
            neighbour = s[1 + down : 1 + down + high, 1 + right : 1 + right + wide]
            moments.append(nss_params.sums_over_rows(own * neighbour))
        bottom, right = (
            jnp.clip(end - 1 - start, 0, side - 1) for start, side, end in zip(corner, tile, image_size, strict=True)
        )
        rows = jnp.stack([own[0], jax.lax.dynamic_index_in_dim(own, bottom, 0, keepdims=False)])
        columns = jnp.stack([own[:, 0], jax.lax.dynamic_index_in_dim(own, right, 1, keepdims=False)])
        return Parts(jnp.stack([jnp.stack(sums) for sums in moments]), rows, columns)

    return over_tiles(one_tile, tile, image_size, array)

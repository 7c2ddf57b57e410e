"""NIQE: distance of an image's natural scene statistics from those of pristine images, without training on ratings.

Mittal, Soundararajan and Bovik, "Making a Completely Blind Image Quality Analyzer", IEEE SPL 20(3), 2013; with the
pristine model of the authors' release.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from drujax.errors import UsageError, unknown
from drujax.metrics.kernels import nss_params
from drujax.metrics.kernels.aggd import Shapes, fit_aggd
from drujax.metrics.kernels.bucketing import pad_to_bucket, run
from drujax.metrics.kernels.grayscale import Luma, levels
from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.kernels.resize import HALF_BORDER
from drujax.metrics.kernels.tiles import over_tiles, replicate_edges, stitch, tile_grid, tile_size
from drujax.metrics.kernels.validation import validated_images
from drujax.metrics.registry import Metric

BLOCK = 96
PI_CROP = 4
PI_LUMA: dict[str, Luma] = {"pyiqa": "ycbcr", "matlab": "matlab_ycbcr"}
# Offsets (rows down, columns right) of the neighbours whose products with a pixel are fitted; they wrap within a block.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Arithmetic(NamedTuple):
    """Differences of the references: grey conversion, excess of the window's sum over 1, epsilon added to variances,
    and dtype of the grid of shapes.
    """

    luma: Luma
    excess: float
    epsilon: float
    grid: str


REFERENCES = {
    "pyiqa": Arithmetic("yiq", FLOAT32_EXCESS, float(np.finfo(np.float64).eps), "float32"),
    "matlab": Arithmetic("matlab", 0.0, 0.0, "float64"),
}

METRIC = Metric("niqe", lower_is_better=True, smallest=96, range="about 2..20", references={"pyiqa": (), "matlab": ()})


def niqe(
    images: Shaped[Array | np.ndarray, "..."],
    *,
    reference: Literal["pyiqa", "matlab"] = "pyiqa",
    protocol: Literal["plain", "pi"] = "plain",
) -> Float[np.ndarray, " b"]:
    """Computes NIQE of each image: about 2 (natural) to over 20; lower is better.

    In flat regions `reference="pyiqa"` gives a deviation of -1.1e-8 Y for a flat window of level Y, as IQA-PyTorch's
    rounded window does; "matlab" gives exactly zero, where the authors' code has float64 rounding noise. A block whose
    coefficients or products have only one sign has missing features (NaN). They are excluded from the mean, and the
    block from the covariance.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; at least 96 x 192 pixels, 8 more per side for
            "pi".
        reference: implementation to reproduce: IQA-PyTorch's `niqe`, or the authors' MATLAB release.
        protocol: "plain": grey, whole image; "pi": as in the perceptual index (PIRM 2018 challenge), luma of MATLAB's
            rgb2ycbcr, cropped by 4 pixels on each side.

    Returns:
        float64; NaN if fewer than two blocks have all features.

    Raises:
        UsageError: shape, dtype, range or size of `images` is invalid.
    """
    return np.array([distance(blocks) for blocks in features(images, reference=reference, protocol=protocol)])


def features(
    images: Shaped[Array | np.ndarray, "..."],
    *,
    reference: Literal["pyiqa", "matlab"] = "pyiqa",
    protocol: Literal["plain", "pi"] = "plain",
) -> Float[np.ndarray, "b p 36"]:
    """Computes the 36 features of each 96 x 96 block, in row-major order, 18 per scale: shape and scale of the MSCN
    coefficients; then shape, mean, left and right scale of their products with each of four neighbours. Arguments as in
    `niqe`.
    """
    if reference not in REFERENCES:
        raise unknown("reference", reference, REFERENCES)
    if protocol not in ("plain", "pi"):
        raise unknown("protocol", protocol, ("plain", "pi"))
    arithmetic = REFERENCES[reference]
    crop = PI_CROP if protocol == "pi" else 0
    luma = PI_LUMA[reference] if protocol == "pi" else arithmetic.luma
    valid = validated_images(images, "niqe", BLOCK + 2 * crop)
    h, w = ((side - 2 * crop) // BLOCK * BLOCK for side in valid.shape[1:3])
    if (h, w) == (BLOCK, BLOCK):
        raise UsageError("niqe: images must hold at least two blocks of 96x96 pixels for a covariance, got one")
    valid = valid[:, crop : crop + h, crop : crop + w]
    grey = (pad_to_bucket(levels(image, luma), HALF_BORDER, "symmetric", "edge", unit=BLOCK) for image in valid)
    results = run(_program, grey, arithmetic.excess, arithmetic.epsilon)
    grid = nss_params.grid(arithmetic.grid)
    return np.stack(
        [
            np.concatenate(
                [_fit(scale, side, h // BLOCK, w // BLOCK, grid) for scale, side in zip(sums, SIDES, strict=True)], -1
            )
            for sums in results
        ]
    )


SIDES = (BLOCK, BLOCK // 2)


def distance(features: Float[np.ndarray, "p 36"]) -> float:
    """Mahalanobis-like distance of the blocks' Gaussian from the pristine one, with the mean of their covariances."""
    model = nss_params.parameters()
    present = ~np.isnan(features)
    with np.errstate(invalid="ignore"):
        mean = np.where(present, features, 0).sum(axis=0) / present.sum(axis=0)
    complete = features[present.all(axis=1)]
    if np.isnan(mean).any() or len(complete) < 2:
        return float("nan")
    covariance = (model["niqe_covariance"] + np.cov(complete, rowvar=False)) / 2
    difference = model["niqe_mean"] - mean
    return float(np.sqrt(difference @ np.linalg.pinv(covariance) @ difference))


def _fit(
    sums: Float[np.ndarray, "tiles 5 5 _ w"], side: int, rows: int, columns: int, grid: Shapes
) -> Float[np.ndarray, "p 18"]:
    """Computes the features of one scale from the sums over the rows of each block."""
    sums = stitch(sums, tile_grid((rows * BLOCK, columns * BLOCK), BLOCK))[:, :, :rows, : columns * side]
    totals = sums.reshape(5, 5, rows * columns, side).sum(axis=-1, dtype=np.float64)
    totals = np.moveaxis(totals, 1, -1)  # kind of product, block, sum
    fit = fit_aggd(totals[..., :2], totals[..., 2:4], totals[..., 4], float(side * side), grid)
    own = np.stack([fit.alpha[0], fit.beta[0].mean(axis=-1)], axis=-1)
    products = np.concatenate([fit.alpha[1:, :, None], fit.mean[1:, :, None], fit.beta[1:]], axis=-1)
    return np.concatenate([own, *products], axis=-1)


def _program(bordered: UInt8[Array, "2 _ _"], height: Any, width: Any, excess: Any, epsilon: Any) -> tuple[Array, ...]:
    """Computes the sums over the rows of each block (tiles 5 5 rows w) at both scales."""
    return tuple(
        _sums(plane, size, (height * side // BLOCK, width * side // BLOCK), side, excess, epsilon)
        for (plane, size), side in zip(nss_params.two_scales(bordered), SIDES, strict=True)
    )


def _sums(plane: nss_params.Plane, size: tuple[int, int], image_size: tuple[Any, Any], side: int, excess, epsilon):
    """Computes the sums of an image of size `image_size` in an array of `size`, tile by tile.

    Every stage is materialised; otherwise XLA would recompute it for each use.
    """
    tile = tuple(length // BLOCK * side for length in tile_size(BLOCK))
    rows = tile[0] // side
    barrier = jax.lax.optimization_barrier

    def one_tile(corner):
        first = tuple(start - RADIUS for start in corner)
        part = barrier(plane(first, (tile[0] + 2 * RADIUS, tile[1] + 2 * RADIUS)))
        if side < BLOCK:  # the full-size image already has such a border
            part = barrier(replicate_edges(part, first, image_size))
        s = barrier(mscn(part, excess=excess, epsilon=epsilon))
        blocks = s.reshape(rows, side, -1, side)
        moments = [nss_params.sums_over_rows(s.reshape(rows, side, -1))]
        for down, right in NEIGHBOURS:
            neighbour = barrier(jnp.roll(blocks, (down, right), (1, 3)))
            moments.append(nss_params.sums_over_rows((blocks * neighbour).reshape(rows, side, -1)))
        return jnp.stack([jnp.stack(parts) for parts in moments])

    return over_tiles(one_tile, tile, image_size, size)

"""PIQE: block-wise distortion of spatially active regions; needs no trained model.

Venkatanath et al., "Blind image quality evaluation using perception based features", NCC 2015, as computed by MATLAB's
`piqe`. A 16 x 16 block is active if the variance of its MSCN coefficients exceeds 0.1. It is an artifact if a segment
of six pixels along one of its edges is nearly constant, and noisy if its two middle columns vary unlike the rest.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from drujax.errors import unknown
from drujax.metrics.kernels.bucketing import pad_to_bucket, run
from drujax.metrics.kernels.grayscale import levels, stretched_levels
from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.kernels.tiles import over_tiles, stitch, tile_grid, tile_size
from drujax.metrics.kernels.validation import validated_images
from drujax.metrics.registry import Metric

BLOCK = 16
SEGMENT = 6
ACTIVE = 0.1  # threshold of a block's variance
FLAT = 0.1  # threshold of a segment's standard deviation
CONSTANT = 1.0
# The two middle columns, and the columns left after MATLAB's code deletes the 8th and then the 9th of the rest.
MIDDLE = np.array([7, 8])
SURROUND = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15])

# Excess of the window's sum over 1, and epsilon added to variances.
REFERENCES = {"pyiqa": (FLOAT32_EXCESS, float(np.finfo(np.float32).eps)), "matlab": (0.0, 0.0)}

METRIC = Metric("piqe", lower_is_better=True, smallest=16, range="0..100", references={"pyiqa": (), "matlab": ()})


def piqe(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> Float[np.ndarray, " b"]:
    """Computes PIQE of each image: 0 (best) to about 100 (worst); lower is better; an image of one colour scores 100.

    "pyiqa" differs from "matlab" most on dark images: it rescales the grey image to a maximum of 255, and drops partial
    blocks of less than half a block at the bottom and right, where MATLAB pads them. Flat regions are treated as in
    `brisque`; no decision depends on it, because all decisions use variances.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 16 pixels.
        reference: implementation to reproduce: IQA-PyTorch's `piqe`, or MATLAB's.

    Raises:
        UsageError: shape, dtype, range or size of `images` is invalid.
    """
    return np.array([_score(*blocks) for blocks in features(images, reference=reference)])


def features(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> list[
    tuple[Float[np.ndarray, "rows columns"], Shaped[np.ndarray, "rows columns"], Shaped[np.ndarray, "rows columns"]]
]:
    """Returns for each image its blocks' variance, artifact mask and noise mask. Arguments as in `piqe`."""
    if reference not in REFERENCES:
        raise unknown("reference", reference, REFERENCES)
    valid = validated_images(images, "piqe", BLOCK)
    completed = [_pad_to_blocks(image, reference) for image in valid]
    size = completed[0].shape
    h, w = (side // BLOCK for side in size)
    results = run(
        _program, (pad_to_bucket(grey, RADIUS, "edge", unit=BLOCK) for grey in completed), *REFERENCES[reference]
    )
    return [
        _decide(*(stitch(part, tile_grid(size, BLOCK))[:h, :w].astype(np.float64) for part in result))
        for result in results
    ]


def _pad_to_blocks(image: Shaped[np.ndarray, "h w 3"], reference: str) -> UInt8[np.ndarray, "_ _"]:
    """Converts to grey and pads to whole blocks as the reference does."""
    h, w = image.shape[:2]
    if reference == "matlab":
        return np.pad(levels(image, "matlab"), ((0, -h % BLOCK), (0, -w % BLOCK)), mode="edge")
    return np.pad(stretched_levels(image), ((0, h % BLOCK), (0, w % BLOCK)), mode="symmetric")


def _decide(variance, flattest, middle, surround):
    """Classifies blocks by the variances of the block, its flattest segment, its middle columns and the others."""
    deviation = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.sqrt(middle) / np.sqrt(surround), nan=0.0)
        beta = np.abs(deviation - ratio) / np.maximum(deviation, ratio)
    return variance, np.sqrt(flattest) < FLAT, deviation > 2 * beta


def _score(variance, artifact, noisy) -> float:
    active = variance > ACTIVE
    distortion = np.where(artifact, 1 - variance, 0) + np.where(noisy, variance, 0)
    return 100 * float((distortion[active].sum() + CONSTANT) / (active.sum() + CONSTANT))


def _program(grey: UInt8[Array, "1 _ _"], height: Any, width: Any, excess: Any, epsilon: Any) -> tuple[Array, ...]:
    """Computes the variances of each block (see `_decide`), tile by tile, from deviations from the mean."""
    tile = tile_size(BLOCK)
    barrier = jax.lax.optimization_barrier

    def one_tile(corner):
        part = jax.lax.dynamic_slice(grey[0], corner, [side + 2 * RADIUS for side in tile]).astype(jnp.float32)
        return _variances(barrier(mscn(barrier(part), excess=excess, epsilon=epsilon)))

    array = [side - 2 * RADIUS for side in grey.shape[1:]]
    return over_tiles(one_tile, tile, (height, width), array)


def _variances(s: Float[Array, "h w"]) -> tuple[Float[Array, "rows columns"], ...]:
    """Computes the variances of each block, its flattest segment, its middle columns and the other columns.

    Long axes stay last where possible: sums over 16 contiguous elements are slowest.
    """
    columns = s.shape[1] // BLOCK
    rows = s.reshape(-1, BLOCK, s.shape[1])  # block row, row in block, column
    mean = rows.sum(axis=1).reshape(-1, columns, BLOCK).sum(axis=-1) / BLOCK**2
    deviation = jax.lax.optimization_barrier(rows - jnp.repeat(mean, BLOCK, axis=-1)[:, None])
    first, second = (part.sum(axis=1).reshape(-1, columns, BLOCK) for part in (deviation, deviation * deviation))

    def variance(of: np.ndarray):
        n = BLOCK * len(of)
        return (second[..., of].sum(axis=-1) - first[..., of].sum(axis=-1) ** 2 / n) / (n - 1)

    blocks = rows.reshape(-1, BLOCK, columns, BLOCK)
    edges = [jnp.moveaxis(blocks[:, end], -1, 0) for end in (0, -1)]
    edges += [jnp.moveaxis(blocks[..., end], 1, 0) for end in (0, -1)]
    edges = jax.lax.optimization_barrier(jnp.stack(edges, axis=1))  # position on the edge, edge, block row, column
    count = BLOCK - SEGMENT + 1
    segments = [edges[start : start + count] for start in range(SEGMENT)]
    centre = jax.lax.optimization_barrier(sum(segments[1:], segments[0]) / SEGMENT)
    squares = [(part - centre) ** 2 for part in segments]
    flattest = jnp.min(sum(squares[1:], squares[0]), axis=(0, 1)) / (SEGMENT - 1)
    return variance(np.arange(BLOCK)), flattest, variance(MIDDLE), variance(SURROUND)

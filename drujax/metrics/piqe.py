"""PIQE: how much of a picture's active blocks is distorted; needs no model.

Venkatanath et al., "Blind image quality evaluation using perception based features", NCC 2015, as MATLAB's `piqe`
computes it: blocks of 16 pixels whose coefficients (see mscn.py) vary by more than 0.1 are active; one is an artifact
where a stretch of six pixels along an edge hardly varies, and noisy where its two middle columns vary unlike the rest.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt8

from drujax.errors import unknown
from drujax.metrics.kernels.bucketing import boxed, run
from drujax.metrics.kernels.grayscale import levels, stretched_levels
from drujax.metrics.kernels.mscn import FLOAT32_EXCESS, RADIUS, mscn
from drujax.metrics.kernels.tiles import over_tiles, stitch, tile_grid, tile_size
from drujax.metrics.kernels.validation import as_pictures
from drujax.metrics.registry import Metric

BLOCK = 16
STRETCH = 6
ACTIVE = 0.1  # variance of a block
FLAT = 0.1  # deviation of a stretch
CONSTANT = 1.0
# The two middle columns, and what MATLAB's code leaves when it deletes the 8th column and then the 9th of the rest.
MIDDLE = np.array([7, 8])
SURROUND = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15])

# The excess of the window's sum, and what is added to a variance.
REFERENCES = {"pyiqa": (FLOAT32_EXCESS, float(np.finfo(np.float32).eps)), "matlab": (0.0, 0.0)}

METRIC = Metric("piqe", lower_is_better=True, smallest=16, range="0..100", references={"pyiqa": (), "matlab": ()})


def piqe(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> Float[np.ndarray, " b"]:
    """PIQE of each picture: 0 (best) to about 100 (worst); lower is better; a picture of one colour has 100.

    "pyiqa" differs from "matlab" most on dark pictures: it stretches the grey so that its maximum is 255, and it drops
    what is less than half a block at the bottom and right edges, where MATLAB completes the block. Flat regions: as
    for `brisque`; they touch no decision, since blocks and stretches are measured by their variance.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 16 pixels.
        reference: whose arithmetic: IQA-PyTorch's `piqe`, or MATLAB's.

    Raises:
        UsageError: what `images` may not be.
    """
    return np.array([_score(*blocks) for blocks in features(images, reference=reference)])


def features(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Literal["pyiqa", "matlab"] = "pyiqa"
) -> list[
    tuple[Float[np.ndarray, "rows columns"], Shaped[np.ndarray, "rows columns"], Shaped[np.ndarray, "rows columns"]]
]:
    """Of each block of each picture: variance, is it an artifact, is it noisy. Arguments as of `piqe`."""
    if reference not in REFERENCES:
        raise unknown("reference", reference, REFERENCES)
    pictures = as_pictures(images, "piqe", BLOCK)
    completed = [_completed(picture, reference) for picture in pictures]
    size = completed[0].shape
    h, w = (side // BLOCK for side in size)
    results = run(_program, (boxed(grey, RADIUS, "edge", unit=BLOCK) for grey in completed), *REFERENCES[reference])
    return [
        _decided(*(stitch(part, tile_grid(size, BLOCK))[:h, :w].astype(np.float64) for part in result))
        for result in results
    ]


def _completed(picture: Shaped[np.ndarray, "h w 3"], reference: str) -> UInt8[np.ndarray, "_ _"]:
    """The grey picture, its sides changed towards whole blocks as the reference does it."""
    h, w = picture.shape[:2]
    if reference == "matlab":
        return np.pad(levels(picture, "matlab"), ((0, -h % BLOCK), (0, -w % BLOCK)), mode="edge")
    return np.pad(stretched_levels(picture), ((0, h % BLOCK), (0, w % BLOCK)), mode="symmetric")


def _decided(variance, flattest, middle, surround):
    """The decisions, from variances: of the block, of its flattest stretch, of its middle columns, of the rest."""
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
    """Variances of each block (see `_decided`), tile by tile, each from deviations from the mean."""
    tile = tile_size(BLOCK)
    barrier = jax.lax.optimization_barrier

    def one_tile(corner):
        part = jax.lax.dynamic_slice(grey[0], corner, [side + 2 * RADIUS for side in tile]).astype(jnp.float32)
        return _variances(barrier(mscn(barrier(part), excess=excess, epsilon=epsilon)))

    array = [side - 2 * RADIUS for side in grey.shape[1:]]
    return over_tiles(one_tile, tile, (height, width), array)


def _variances(s: Float[Array, "h w"]) -> tuple[Float[Array, "rows columns"], ...]:
    """Of each block, its flattest stretch, its middle columns and the rest.

    Long axes stay last as far as possible: sums over 16 neighbours in memory are the slowest.
    """
    columns = s.shape[1] // BLOCK
    rows = s.reshape(-1, BLOCK, s.shape[1])  # block row, row in block, column
    mean = rows.sum(axis=1).reshape(-1, columns, BLOCK).sum(axis=-1) / BLOCK**2
    apart = jax.lax.optimization_barrier(rows - jnp.repeat(mean, BLOCK, axis=-1)[:, None])
    first, second = (part.sum(axis=1).reshape(-1, columns, BLOCK) for part in (apart, apart * apart))

    def variance(of: np.ndarray):
        n = BLOCK * len(of)
        return (second[..., of].sum(axis=-1) - first[..., of].sum(axis=-1) ** 2 / n) / (n - 1)

    blocks = rows.reshape(-1, BLOCK, columns, BLOCK)
    edges = [jnp.moveaxis(blocks[:, end], -1, 0) for end in (0, -1)]
    edges += [jnp.moveaxis(blocks[..., end], 1, 0) for end in (0, -1)]
    edges = jax.lax.optimization_barrier(jnp.stack(edges, axis=1))  # place along the edge, edge, block row, column
    count = BLOCK - STRETCH + 1
    stretch = [edges[start : start + count] for start in range(STRETCH)]
    centre = jax.lax.optimization_barrier(sum(stretch[1:], stretch[0]) / STRETCH)
    spread = [(part - centre) ** 2 for part in stretch]
    flattest = jnp.min(sum(spread[1:], spread[0]), axis=(0, 1)) / (STRETCH - 1)
    return variance(np.arange(BLOCK)), flattest, variance(MIDDLE), variance(SURROUND)

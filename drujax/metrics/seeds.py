"""Intervals over seeds and scene groups: how a mean would change with other seeds and other scenes.

A training's scores vary from seed to seed as they vary from scene to scene, so a bootstrap resamples both: seeds, and
within them whole groups of images (as in `drujax.metrics.summary`). With one seed the interval tells nothing about
other seeds, and callers should say so.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from drujax.metrics.summary import LEVEL, RESAMPLES


def seed_interval(values: Float[np.ndarray, "s n"], groups: Int[np.ndarray, " n"] | None = None) -> tuple[float, float]:
    """Returns the 95 % percentile interval of the mean over resampled seeds and groups (fixed seed of its own).

    For a paired comparison give the differences: seed s of both, image by image.

    Args:
        values: a score for each seed and image.
        groups: the group of each image, 0..g-1; each image is one by default.

    Returns:
        Low and high; (NaN, NaN) for one seed and fewer than two groups, which do not determine a spread.
    """
    seeds, images = values.shape
    groups = np.arange(images) if groups is None else groups
    sums = np.stack([np.bincount(groups, weights=row) for row in values])
    sizes = np.bincount(groups)
    if seeds < 2 and len(sizes) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(0)
    # How often each seed and each group is drawn.
    of_seeds, of_groups = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) for n in sums.shape)
    means = ((of_seeds @ sums) * of_groups).sum(axis=1) / (seeds * (of_groups @ sizes))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns Spearman's rank correlation, -1..1; ties share their mean rank. NaN without any order."""
    from scipy.stats import spearmanr

    if len(first) < 2 or not (np.ptp(first) and np.ptp(second)):
        return math.nan
    correlation, _ = spearmanr(first, second)
    return float(correlation)  # pyright: ignore[reportArgumentType]

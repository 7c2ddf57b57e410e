"""Scores of many pictures in a few numbers: means, their uncertainty, and differences of two sets, picture by picture.

`Scores` is what evaluation on many devices or in many batches merges: it keeps every picture's score, so merging is
exact, and no result depends on the order or grouping in which pictures were scored.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_DRAWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Scores:
    """One metric's scores by picture; those that are no numbers (NaN) are left out of everything."""

    by_picture: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        there = {name: float(score) for name, score in self.by_picture.items() if not math.isnan(score)}
        object.__setattr__(self, "by_picture", there)

    def merge(self, other: "Scores") -> "Scores":
        """The scores of both; they must not share a picture, which would count twice.

        Raises:
            ValueError: they do.
        """
        both = self.by_picture.keys() & other.by_picture.keys()
        if both:
            raise ValueError(f"{min(both)} is in both sets of scores")
        return Scores({**self.by_picture, **other.by_picture})

    def mean(self) -> float:
        """The mean, NaN of nothing. The sum is exact before it is rounded, so its order does not matter."""
        return _mean(self.by_picture.values())

    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean by the percentile bootstrap (10,000 resamples, fixed seed)."""
        return bootstrap(self._sorted())

    def _sorted(self) -> np.ndarray:
        return np.array([self.by_picture[name] for name in sorted(self.by_picture)])


@dataclass(frozen=True)
class Comparison:
    """What one set of scores has over another, picture by picture.

    Attributes:
        mean: of the differences, first less second.
        interval: its 95 % bootstrap interval.
        higher, lower, equal: numbers of pictures whose first score is higher, lower, the same.
        sign_test: two-sided p-value of the exact sign test: how likely so uneven numbers are where neither set is
            better.
    """

    mean: float
    interval: tuple[float, float]
    higher: int
    lower: int
    equal: int
    sign_test: float


def compare(first: Scores, second: Scores) -> Comparison:
    """Compares the scores of the pictures that both have."""
    names = sorted(first.by_picture.keys() & second.by_picture.keys())
    difference = np.array([first.by_picture[name] - second.by_picture[name] for name in names])
    higher, lower = int((difference > 0).sum()), int((difference < 0).sum())
    return Comparison(
        _mean(difference.tolist()),
        bootstrap(difference),
        higher,
        lower,
        len(names) - higher - lower,
        sign_test(higher, lower),
    )


def bootstrap(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of `values` over resamples; (NaN, NaN) of nothing."""
    if not len(values):
        return math.nan, math.nan
    random = np.random.default_rng(0)
    rows = max(1, _DRAWS_AT_ONCE // len(values))
    means = [
        values[random.integers(0, len(values), (min(rows, RESAMPLES - start), len(values)))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def sign_test(higher: int, lower: int) -> float:
    """Two-sided p-value of so many differences up and down where both are as likely; 1 without any."""
    n, fewer = higher + lower, min(higher, lower)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)


def _mean(values) -> float:
    values = list(values)
    return math.fsum(values) / len(values) if values else math.nan

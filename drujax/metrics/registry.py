"""The no-reference metrics by name: what `drujax score` and the tables know of each, without importing any."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from drujax.errors import unknown


@dataclass(frozen=True)
class Metric:
    """A no-reference metric.

    Attributes:
        name: of the metric; its function has the same name in the module drujax.metrics.<name>.
        lower_is_better: which way is better.
        smallest: the least side of a picture in pixels.
        range: the values it takes, in words.
        needs: rows of drujax.weights.table whose files it cannot do without; they do not ship with drujax.
    """

    name: str
    lower_is_better: bool
    smallest: int
    range: str
    needs: tuple[str, ...] = ()

    @property
    def function(self) -> Callable:
        """`function(images, *, reference=...)` -> one float for each picture."""
        return getattr(importlib.import_module(f"drujax.metrics.{self.name}"), self.name)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("brisque", lower_is_better=True, smallest=13, range="about 0..100"),
        Metric("niqe", lower_is_better=True, smallest=96, range="about 2..20"),
        Metric("piqe", lower_is_better=True, smallest=16, range="0..100"),
        Metric("ma", lower_is_better=False, smallest=53, range="about 1..9.5", needs=("ma-forests",)),
        Metric("pi", lower_is_better=True, smallest=104, range="about 2..10", needs=("ma-forests",)),
        Metric("nima", lower_is_better=False, smallest=1, range="1..10", needs=("nima-inception",)),
    )
}


def find(name: str) -> Metric:
    """The metric called `name`. Raises UsageError when there is none."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]

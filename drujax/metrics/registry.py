"""The no-reference metrics by name: what `drujax score` and the tables know of each, without importing any."""

import importlib
from collections.abc import Callable, Mapping
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
        references: what it can follow, the default first, and of each the rows of drujax.weights.table whose files it
            cannot do without; they do not ship with drujax.
    """

    name: str
    lower_is_better: bool
    smallest: int
    range: str
    references: Mapping[str, tuple[str, ...]]

    def needs(self, reference: str) -> tuple[str, ...]:
        """The rows of `drujax.weights.table` that `reference` takes. Raises UsageError where it has no such one."""
        if reference not in self.references:
            raise unknown(f"--reference: {self.name}", reference, self.references)
        return self.references[reference]

    @property
    def function(self) -> Callable:
        """`function(images, *, reference=...)` -> one float for each picture."""
        return getattr(importlib.import_module(f"drujax.metrics.{self.name}"), self.name)


SHIPPED = {"pyiqa": (), "matlab": ()}
FORESTS = {"pyiqa": ("ma-forests",), "matlab": ("ma-forests",)}
NIMA = {"pyiqa": ("nima-inception",), "idealo": ("nima-mobilenet",), "idealo-technical": ("nima-mobilenet-technical",)}

METRICS = {
    metric.name: metric
    for metric in (
        Metric("brisque", lower_is_better=True, smallest=13, range="about 0..100", references=SHIPPED),
        Metric("niqe", lower_is_better=True, smallest=96, range="about 2..20", references=SHIPPED),
        Metric("piqe", lower_is_better=True, smallest=16, range="0..100", references=SHIPPED),
        Metric("ma", lower_is_better=False, smallest=53, range="about 1..9.5", references=FORESTS),
        Metric("pi", lower_is_better=True, smallest=104, range="about 2..10", references=FORESTS),
        Metric("nima", lower_is_better=False, smallest=1, range="1..10", references=NIMA),
    )
}


def find(name: str) -> Metric:
    """The metric called `name`. Raises UsageError when there is none."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]

"""The no-reference metrics by name: what `drujax score` and the tables know of each.

A metric is one module: its function, and a `METRIC` that describes it. Its line in `METRICS` is all else that it takes.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drujax.errors import unknown
from drujax.runtime.remote_file import File

# Name -> module, imported when the metric is asked for.
METRICS = {name: f"drujax.metrics.{name}" for name in ("brisque", "niqe", "piqe", "ma", "pi", "nima")}


@dataclass(frozen=True)
class Metric:
    """A no-reference metric.

    Attributes:
        name: of the metric, and of its function in its module.
        lower_is_better: which way is better.
        smallest: the smallest side of an image in pixels.
        range: the values it takes, in words.
        references: the implementations whose arithmetic it can follow, the default first, each with the files that it
            needs and that do not ship with drujax.
    """

    name: str
    lower_is_better: bool
    smallest: int
    range: str
    references: Mapping[str, tuple[File, ...]]

    def needs(self, reference: str) -> tuple[File, ...]:
        """Return the files that `reference` needs. Raises UsageError for an unknown reference."""
        if reference not in self.references:
            raise unknown(f"--reference: {self.name}", reference, self.references)
        return self.references[reference]

    @property
    def function(self) -> Callable:
        """`function(images, *, reference=...)` -> one float for each image."""
        return getattr(importlib.import_module(METRICS[self.name]), self.name)


def find(name: str) -> Metric:
    """Return the metric called `name`. Raises UsageError if it is unknown."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return importlib.import_module(METRICS[name]).METRIC

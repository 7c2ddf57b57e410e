"""No-reference metrics by name, with the properties that `drujax score` and the tables need.

To add a metric, write a module with its function and a `METRIC` that describes it, and add its name to `METRICS`.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drujax.errors import unknown
from drujax.runtime.remote_file import File

# Name -> module, imported on first use.
METRICS = {name: f"drujax.metrics.{name}" for name in ("brisque", "niqe", "piqe", "ma", "pi", "nima")}


@dataclass(frozen=True)
class Metric:
    """A no-reference metric.

    Attributes:
        name: of the metric, and of its function in its module.
        lower_is_better: whether lower scores are better.
        smallest: minimum side of an image in pixels.
        range: range of scores, as text.
        references: implementations that it reproduces, the default first, each with the files that it needs and that
            do not ship with drujax.
        columns: names of the scores of those references whose scale is another one; they begin with `name` and "_".
    """

    name: str
    lower_is_better: bool
    smallest: int
    range: str
    references: Mapping[str, tuple[File, ...]]
    columns: Mapping[str, str] = field(default_factory=dict)

    def needs(self, reference: str) -> tuple[File, ...]:
        """Returns the files that `reference` needs. Raises UsageError if it is unknown."""
        if reference not in self.references:
            raise unknown(f"reference: {self.name}", reference, self.references)
        return self.references[reference]

    def column(self, reference: str) -> str:
        """Returns the name of the scores that agree with `reference`."""
        return self.columns.get(reference, self.name)

    @property
    def function(self) -> Callable:
        """The metric itself: `function(images, *, reference=...)` -> one float per image."""
        return getattr(importlib.import_module(METRICS[self.name]), self.name)


def find(name: str) -> Metric:
    """Returns the metric called `name`. Raises UsageError if it is unknown."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return importlib.import_module(METRICS[name]).METRIC


def of_column(column: str) -> Metric:
    """Returns the metric whose scores, or a part of them ("pi_niqe"), are called `column`."""
    return find(column.partition("_")[0])

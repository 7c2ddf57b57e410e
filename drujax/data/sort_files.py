"""QAB classes of picture files."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drujax.data.qab import HIGH, LOW, classify, mean_luma, quartile_means
from drujax.errors import UsageError
from drujax.pictures.io import read_picture
from drujax.runtime.parallel import ordered_map


def sort_pictures(
    paths: Iterable[Path],
    low: float = LOW,
    high: float = HIGH,
    *,
    on_error: Callable[[Path, Exception], None] | None = None,
    processes: int = 1,
) -> Iterator[dict[str, Any]]:
    """Classifies picture files and measures their brightness.

    Args:
        paths: picture files.
        low: B_low of eq. 1.
        high: B_high of eq. 1.
        on_error: called for each file that cannot be read, which is then skipped; without it the error is raised.
        processes: that read pictures; 1: threads of this one (see `drujax.runtime.parallel.ordered_map`).

    Yields:
        {"image": path, "partition": ..., "mean_luma": 0..255, "quartile_means": [4 x 0..255]}, the order of
        `quartile_means`.

    Raises:
        UsageError: `low` above `high`; a file that is not a picture (without `on_error`).
    """
    classify(np.zeros(4), low, high)  # rejects invalid bounds before the long work
    paths = list(paths)
    measured = ordered_map(_measure, paths, processes=processes, total=len(paths))
    with contextlib.closing(measured):
        for path, result in zip(paths, measured, strict=True):
            if isinstance(result, Exception):
                if on_error is None:
                    raise result
                on_error(path, result)
                continue
            means, mean = result
            yield {
                "image": str(path),
                "partition": classify(means, low, high),
                "mean_luma": mean,
                "quartile_means": means.tolist(),
            }


def _measure(path: Path) -> tuple[Float[np.ndarray, "4"], float] | Exception:
    try:
        rgb = read_picture(path).rgb
    except (UsageError, OSError) as error:
        return error
    return quartile_means(rgb), float(mean_luma(rgb))

"""QAB classes of picture files."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from drujax.data.qab import HIGH, LOW, classify, mean_luma, quartile_means
from drujax.errors import UsageError
from drujax.pictures.io import read_picture


def sort_pictures(
    paths: Iterable[Path],
    low: float = LOW,
    high: float = HIGH,
    *,
    on_error: Callable[[Path, Exception], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Classifies picture files and measures their brightness.

    Args:
        paths: picture files.
        low: B_low of eq. 1.
        high: B_high of eq. 1.
        on_error: called for each file that cannot be read, which is then skipped; without it the error is raised.

    Yields:
        {"image": path, "partition": ..., "mean_luma": 0..255, "quartile_means": [4 x 0..255]}, the order of
        `quartile_means`.

    Raises:
        UsageError: `low` above `high`; a file that is not a picture (without `on_error`).
    """
    for path in paths:
        try:
            rgb = read_picture(path).rgb
        except (UsageError, OSError) as error:
            if on_error is None:
                raise
            on_error(path, error)
            continue
        means = quartile_means(rgb)
        yield {
            "image": str(path),
            "partition": classify(means, low, high),
            "mean_luma": float(mean_luma(rgb)),
            "quartile_means": means.tolist(),
        }

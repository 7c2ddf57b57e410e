"""Scores picture files by named metrics."""

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError, unknown
from drujax.metrics.kernels.bucketing import images_per_call
from drujax.metrics.registry import METRICS, find
from drujax.pictures.color import to_float
from drujax.pictures.discovery import Skipped, pictures_of
from drujax.pictures.io import read_picture
from drujax.pictures.picture import Picture
from drujax.weights.download import fetch

AHEAD = 4  # pictures read before they are scored

PI = ("pi", "pi_niqe", "ma")  # the columns of "pi"

OnError = Callable[[Path, Exception], None]


@dataclasses.dataclass(frozen=True)
class Measure:
    """A computation of scores: `function(images)`, for images of one size, returns the scores of each of `columns`."""

    columns: tuple[str, ...]
    function: Callable[[np.ndarray], Sequence[np.ndarray]]


def measures(names: Sequence[str], reference: str, on_missing: Callable[[str, UsageError], None]) -> list[Measure]:
    """Returns what computes the scores of the metrics called `names`, as `reference` does; "pi" also gives its parts.

    Downloads the necessary weights. If that fails, `on_missing` is called and the metric is left out; of "pi" its part
    "pi_niqe" remains.

    Raises:
        UsageError: there are no names, a metric or its reference is unknown, or no metric is left.
    """
    if not names:
        raise UsageError(f"metrics: give at least one of {', '.join(METRICS)}")
    if wrong := [name for name in names if name not in METRICS]:
        raise unknown("metrics", wrong[0], METRICS)
    metrics = [find(name) for name in dict.fromkeys(names)]
    result: list[Measure] = []
    for metric, needs in [(metric, metric.needs(reference)) for metric in metrics]:
        measure = _perceptual_index(reference) if metric.name == "pi" else _single(metric.name, reference)
        try:
            for need in needs:
                fetch(need)
        except UsageError as error:
            if metric.name != "pi" and len(metrics) == 1:
                raise
            on_missing(metric.name, error)
            measure = _niqe_of_pi(reference) if metric.name == "pi" else None
        if measure is not None:
            result.append(measure)
    if not result:
        raise UsageError(f"metrics: none of {', '.join(names)} is available")
    if any(measure.columns == PI for measure in result):  # includes Ma
        result = [measure for measure in result if measure.columns != ("ma",)]
    return result


def score_files(paths: Iterable[Path], measures: Sequence[Measure], on_error: OnError) -> Iterator[dict[str, Any]]:
    """Yields the scores of each picture, {"image": path, "brisque": 1.0, ...}, in order.

    A score is None if the picture is too small for the metric, or has no contrast. `on_error` is called for these, and
    for files that cannot be read, which are left out.
    """
    for group in _groups(_read_ahead(paths, on_error), images_per_call()):
        batch = np.stack([rgb for _, rgb in group])
        rows: list[dict[str, Any]] = [{"image": str(path)} for path, _ in group]
        for measure in measures:
            try:
                scores = measure.function(batch)
            except UsageError as error:
                scores = [np.full(len(group), np.nan)] * len(measure.columns)
                why = str(error)
            else:
                why = f"{measure.columns[0]}: no contrast to measure"
            for (path, _), row, *values in zip(group, rows, *scores, strict=True):
                row |= {name: _number(value) for name, value in zip(measure.columns, values, strict=True)}
                if np.isnan(values).any():
                    on_error(path, UsageError(f"{path}: {why}"))
        yield from rows


@dataclasses.dataclass(frozen=True)
class Pair:
    """A picture and the one it is compared with."""

    picture: Path
    other: Path


def pairs(
    located: Iterable[tuple[Path, Path]], against: Path, on_error: OnError, skipped: Skipped | None = None
) -> list[Pair]:
    """Pairs each picture with that of the same relative path in the folder `against`, or of the same path with another
    suffix if there is exactly one.

    Args:
        located: pictures, each with the file or folder that it was found in.
        against: the folder of the others.
        on_error: called for pictures without a partner.
        skipped: collects what is skipped in `against`.

    Raises:
        UsageError: `against` does not exist, or has no pictures.
    """
    if not against.is_dir():
        raise UsageError(f"against: {'not a folder' if against.exists() else 'folder not found'}: {against}")
    by_path = {path.relative_to(against): path for path in pictures_of(against, skipped=skipped)}
    by_stem = collections.defaultdict(list)
    for relative, path in by_path.items():
        by_stem[relative.with_suffix("")].append(path)
    found = []
    for path, given in located:
        relative = path.relative_to(given) if given.is_dir() else Path(path.name)
        matches = [by_path[relative]] if relative in by_path else by_stem[relative.with_suffix("")]
        if len(matches) == 1:
            found.append(Pair(path, matches[0]))
        else:
            why = f"{len(matches)} pictures of that name" if matches else "no picture of that name"
            on_error(path, UsageError(f"{path}: {why} in {against}"))
    return found


def _single(name: str, reference: str) -> Measure:
    metric = find(name)
    return Measure((metric.column(reference),), lambda images: [metric.function(images, reference=reference)])


def _perceptual_index(reference: str) -> Measure:
    def scores(images: np.ndarray) -> Sequence[np.ndarray]:
        from drujax.metrics.pi import combine

        niqe = find("niqe").function(images, reference=reference, protocol="pi")
        ma = find("ma").function(images, reference=reference)
        return combine(ma, niqe), niqe, ma

    return Measure(PI, scores)


def _niqe_of_pi(reference: str) -> Measure:
    def scores(images: np.ndarray) -> Sequence[np.ndarray]:
        return [find("niqe").function(images, reference=reference, protocol="pi")]

    return Measure(("pi_niqe",), scores)


def _read_ahead(paths: Iterable[Path], on_error: OnError) -> Iterator[tuple[Path, np.ndarray]]:
    """Reads the pictures in threads, a few ahead."""
    todo = iter(paths)
    reading: collections.deque[tuple[Path, Future[Picture]]] = collections.deque()
    with ThreadPoolExecutor(2) as readers:
        try:
            while True:
                while len(reading) < AHEAD and (path := next(todo, None)) is not None:
                    reading.append((path, readers.submit(read_picture, path)))
                if not reading:
                    return
                path, future = reading.popleft()
                try:
                    rgb = future.result().rgb
                except (UsageError, OSError) as error:
                    on_error(path, error)
                    continue
                yield path, to_float(rgb) if rgb.dtype == np.uint16 else rgb
        finally:
            for _, future in reading:
                future.cancel()


def _groups(pictures: Iterable[tuple[Path, np.ndarray]], most: int) -> Iterator[list[tuple[Path, np.ndarray]]]:
    """Groups up to `most` consecutive images of equal size and dtype."""
    group: list[tuple[Path, np.ndarray]] = []
    for path, rgb in pictures:
        if group and (len(group) == most or (rgb.shape, rgb.dtype) != (group[0][1].shape, group[0][1].dtype)):
            yield group
            group = []
        group.append((path, rgb))
    if group:
        yield group


def _number(value: float) -> float | None:
    """Replaces NaN, which JSON does not have."""
    return None if math.isnan(value) else float(value)

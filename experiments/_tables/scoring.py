"""Scores what a model makes of dark pictures, as it is and at a given mean luma; resumable picture by picture."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from drujax.console.progress import Progress
from drujax.data.qab import mean_luma
from drujax.pictures.color import LUMA_WEIGHTS
from drujax.pictures.io import read_picture, write_picture
from drujax.pictures.picture import Picture
from experiments._tables.dark_pictures import DarkPicture, Rgb

Enhance = Callable[[np.ndarray], np.ndarray]  # uint8 b h w 3 -> the same
Metrics = Mapping[str, Callable[[Rgb, Rgb | None], float]]  # name -> score of a picture, beside the truth if known

SCORES = "scores.jsonl"
# Some metrics favour dark and smooth pictures (NIMA, paper sec. 4.3), so all are also scored at the mean luma of the
# truth, or this one where nobody knows the truth.
COMMON_LUMA = 110.0
STEPS = 30  # of the bisection
SHOWN = 6  # pictures that are kept for the page of the table


def score(folder: Path, enhance: Callable[[], Enhance], pictures: Sequence[DarkPicture], metrics: Metrics) -> None:
    """Writes a line for each picture to `scores.jsonl` in `folder`, which may hold the first of them already, and keeps
    the first few enhanced pictures (`shown_pictures`).

    Args:
        folder: created if missing.
        enhance: loads the model.
        pictures: to enhance.
        metrics: scores, of which NaN is written as null.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SCORES
    rows = _whole_lines(path)
    if len(rows) == len(pictures):
        return
    model = enhance()
    with (
        path.open("r+b" if path.exists() else "wb") as file,
        Progress("scoring", total=len(pictures), unit="picture") as progress,
    ):
        file.truncate(sum(len(line) for line in rows))
        file.seek(0, 2)
        for done, picture in enumerate(pictures[len(rows) :], start=len(rows) + 1):
            dark, truth = picture.read()
            enhanced = model(dark[None])[0]
            if done <= SHOWN:
                write_picture(folder / f"{done}.png", Picture(enhanced))
            file.write((json.dumps(_row(picture.name, enhanced, truth, metrics)) + "\n").encode())
            file.flush()
            progress.to(done)


def read_scores(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows that `score` wrote: "picture", "luma", each metric and "matched_" metric (or None)."""
    return [json.loads(line) for line in _whole_lines(folder / SCORES)]


def shown_pictures(folder: Path) -> list[Rgb]:
    """Returns the enhanced pictures that `score` kept."""
    files = [folder / f"{number}.png" for number in range(1, SHOWN + 1)]
    return [read_picture(file).rgb for file in files if file.is_file()]


def at_mean_luma(rgb: Rgb, target: float = COMMON_LUMA) -> Rgb:
    """Returns the picture with its levels raised to the power that gives it the mean luma `target`, 0..255.

    Black and white stay; a picture without levels between them stays as it is.
    """
    levels = np.arange(256) / 255
    shares = np.stack([np.bincount(rgb[..., c].ravel(), minlength=256) for c in range(3)]) / (rgb.size / 3)

    def raised(power: float) -> UInt8[np.ndarray, "256"]:
        return np.round(255 * levels**power).astype(np.uint8)

    low, high = 0.05, 20.0  # the mean falls as the power rises
    for _ in range(STEPS):
        middle = np.sqrt(low * high)
        mean = LUMA_WEIGHTS @ (shares @ raised(middle))  # luma is linear in the levels
        low, high = (middle, high) if mean > target else (low, middle)
    return raised(np.sqrt(low * high))[rgb]


def _row(name: str, rgb: Rgb, truth: Rgb | None, metrics: Metrics) -> dict[str, Any]:
    target = COMMON_LUMA if truth is None else float(mean_luma(truth))
    versions = {"": rgb, "matched_": at_mean_luma(rgb, target)}
    scores = {prefix + key: metric(x, truth) for prefix, x in versions.items() for key, metric in metrics.items()}
    return {"picture": name, "luma": float(mean_luma(rgb)), **{key: _number(value) for key, value in scores.items()}}


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _whole_lines(path: Path) -> list[bytes]:
    """The finished lines of a file that a killed process may have left."""
    if not path.exists():
        return []
    lines: Iterable[bytes] = path.read_bytes().splitlines(keepends=True)
    return [line for line in lines if line.endswith(b"\n")]

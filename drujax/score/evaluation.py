"""Evaluates an enhancer: full-reference metrics with known ground truth, and luminance statistics of real images."""

import collections
import csv
import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import mean_luma
from drujax.data.scenes import pair
from drujax.data.sources import Candidate, from_folders, read_assignments
from drujax.errors import UsageError
from drujax.metrics.loe import loe
from drujax.metrics.luminance_stats import clipped, colourfulness
from drujax.metrics.ms_ssim import ms_ssim
from drujax.metrics.ssim import psnr, ssim

Rgb = UInt8[np.ndarray, "_ _ 3"]
Enhance = Callable[[np.ndarray], np.ndarray]  # uint8 b h w 3 -> the same
UNCHANGED = 0.12  # relative change of the mean luma up to which an image counts as unchanged

FULL_REFERENCE: dict[str, Callable[..., Any]] = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim, "loe": loe}


def score_scenes(
    enhance: Enhance, count: int, *, size: int, seed: int, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """Applies `score_pairs` to synthetic scenes, under dark and bright lighting.

    Args:
        enhance: uint8 b h w 3 -> the same.
        count: number of scenes.
        size: side of the square scenes in pixels.
        seed: of the scenes; must differ from that of training scenes.
        on_progress: called with the number of scenes done.
    """
    scenes = (pair(seed, index, (size, size)) for index in range(count))
    return {"size": size, "seed": seed, **score_pairs(enhance, scenes, on_progress=on_progress)}


def score_pairs(
    enhance: Enhance, pairs: Iterable[tuple[Rgb, Rgb]], *, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """Compares dark images, as they are and enhanced, with their bright ground truth.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pairs: dark images and their ground truth, of equal sizes.
        on_progress: called with the number of pairs done.

    Returns:
        "count"; for "input" and "enhanced" the means of "psnr" (dB), "ssim", "ms_ssim" and "loe" over the images that
        are large enough, or None. LOE also uses the ground truth as reference; its authors use the input.

    Raises:
        UsageError: `enhance` changes the size of images.
    """
    scores = {state: {name: [] for name in FULL_REFERENCE} for state in ("input", "enhanced")}
    count = 0
    for count, (dark, truth) in enumerate(pairs, start=1):
        enhanced = enhance(dark[None])
        if enhanced.shape != truth[None].shape:
            raise UsageError(
                f"the model changes the size of pictures, {dark.shape[1]}x{dark.shape[0]} to "
                f"{enhanced.shape[2]}x{enhanced.shape[1]}, so they cannot be compared with their truth"
            )
        for state, picture in (("input", dark[None]), ("enhanced", enhanced)):
            for name, values in scores[state].items():
                try:
                    values.append(float(FULL_REFERENCE[name](picture, truth[None])[0]))
                except UsageError:  # too small for its window
                    continue
        on_progress(count)
    means = {
        state: {name: statistics.fmean(values) if values else None for name, values in of.items()}
        for state, of in scores.items()
    }
    return {"count": count, **means}


@dataclasses.dataclass(frozen=True)
class QuasiPair:
    """Two pictures of one scene with different exposures."""

    darker: Candidate
    brighter: Candidate
    name: str = ""

    def read(self) -> tuple[Rgb, Rgb]:
        return self.darker.rgb(), self.brighter.rgb()


def quasi_pairs(table: Path, on_left_out: Callable[[str], None]) -> list[QuasiPair]:
    """Returns the darkest and the brightest picture, by mean luma, of each group of a CSV file.

    Args:
        table: with a column `group`, and a column `file` or `id` that names pictures in the table's folder, as for
            `prepare --groups`; or with columns `dark` and `bright`, the two pictures of one scene per line.
        on_left_out: called with a line about each group that has no two pictures of one size.

    Raises:
        UsageError: the file or a column is missing, a picture is missing or unreadable, or no group is left.
    """
    if not table.is_file():
        raise UsageError(f"pairs: file not found: {table}")
    try:
        candidates = from_folders([table.parent])
    except UsageError:
        raise UsageError(f"pairs: no pictures in {table.parent}, the folder of {table.name}") from None
    stated = _stated_pairs(table, candidates)
    if stated is not None:
        return stated
    by_id = {candidate.id: candidate for candidate in candidates}
    group_of, unmatched = read_assignments(table, "group", candidates)
    if unmatched:
        first = next(iter(unmatched))
        raise UsageError(f"pairs: {table} names {len(unmatched)} pictures that are not in its folder (first: {first})")
    groups = collections.defaultdict(list)
    for name, group in group_of.items():
        groups[group].append(by_id[name])
    found = []
    for group, members in groups.items():
        pictures = [member.rgb() for member in members]
        order = np.argsort([mean_luma(rgb) for rgb in pictures], kind="stable")
        darker, brighter = pictures[order[0]], pictures[order[-1]]
        if len(members) == 1:
            on_left_out(f"{group}: it has one picture")
        elif darker.shape != brighter.shape:
            sizes = " and ".join(f"{rgb.shape[1]}x{rgb.shape[0]}" for rgb in (darker, brighter))
            on_left_out(f"{group}: its darkest and brightest picture are of {sizes} pixels")
        elif np.array_equal(darker, brighter):
            on_left_out(f"{group}: its pictures are equal")
        else:
            found.append(QuasiPair(members[order[0]], members[order[-1]], group))
    if not found:
        raise UsageError(f"pairs: {table} has no group with two pictures of one size")
    return found


def _stated_pairs(table: Path, candidates: Sequence[Candidate]) -> list[QuasiPair] | None:
    """The pairs of a file with the columns `dark` and `bright`, named by its first column; None without these columns.

    Raises:
        UsageError: a picture that it names is not there, or a pair's pictures are of two sizes.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not {"dark", "bright"} <= set(rows.fieldnames or ()):
            return None
        lines = list(rows)
    by_name = {candidate.path.name: candidate for candidate in candidates}
    pairs = []
    for line in lines:
        for column in ("dark", "bright"):
            if line[column] not in by_name:
                raise UsageError(f"pairs: {table} names a picture that its folder lacks: {line[column]}")
        pair = QuasiPair(by_name[line["dark"]], by_name[line["bright"]], next(iter(line.values())))
        if (dark := pair.darker.rgb()).shape != (bright := pair.brighter.rgb()).shape:
            sizes = " and ".join(f"{rgb.shape[1]}x{rgb.shape[0]}" for rgb in (dark, bright))
            raise UsageError(f"pairs: {pair.name}: its pictures are of {sizes} pixels")
        pairs.append(pair)
    if not pairs:
        raise UsageError(f"pairs: {table} has no line")
    return pairs


def luminance_statistics(
    enhance: Enhance, pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """Measures how enhancement changes luminance and colour of real images.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pictures: of any sizes.
        on_progress: called with the number of images done.

    Returns:
        "count"; for "input" and "enhanced", as means over the images, "mean_luma" (0..255), "clipped" and "crushed"
        (fractions of pixels with a channel at 255, and with all at 0), "colourfulness" (0 for grey, about 110 at most);
        "luma_change": |enhanced / input - 1| of the mean luma, as "mean" and "max" over the images, and the fraction
        "unchanged" of images where it is at most 12 %.
    """
    rows: dict[str, list[dict[str, float]]] = {"input": [], "enhanced": []}
    for count, picture in enumerate(pictures, start=1):
        for state, rgb in (("input", picture), ("enhanced", enhance(picture[None])[0])):
            rows[state].append(_statistics(rgb))
        on_progress(count)
    if not rows["input"]:
        return {"count": 0}
    luma = {state: np.array([row["mean_luma"] for row in of]) for state, of in rows.items()}
    change = np.abs(luma["enhanced"] - luma["input"]) / np.maximum(luma["input"], 1.0)
    means = {
        name: {state: statistics.fmean(row[name] for row in of) for state, of in rows.items()}
        for name in rows["input"][0]
    }
    return {
        "count": len(change),
        **means,
        "luma_change": {
            "mean": float(change.mean()),
            "max": float(change.max()),
            "unchanged": float((change <= UNCHANGED).mean()),
        },
    }


def _statistics(rgb: Rgb) -> dict[str, float]:
    crushed, blown = clipped(rgb)[0]
    return {
        "mean_luma": float(mean_luma(rgb)),
        "clipped": float(blown),
        "crushed": float(crushed),
        "colourfulness": float(colourfulness(rgb)[0]),
    }


def spread(length: int, at_most: int | None) -> Sequence[int]:
    """Returns `at_most` evenly spaced positions in 0..length-1; all of them if it is None."""
    if at_most is None or at_most >= length:
        return range(length)
    return [position * length // at_most for position in range(at_most)]

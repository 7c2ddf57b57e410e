"""How good an enhancer is: against pictures whose bright truth is known, and by the light of real ones."""

import collections
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
UNCHANGED = 0.12  # a bright picture may change its mean luma by this share

CLOSENESS: dict[str, Callable[..., Any]] = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim, "loe": loe}


def score_scenes(
    enhance: Enhance, count: int, *, size: int, seed: int, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """`score_pairs` of dark scenes and the same scenes in bright light.

    Args:
        enhance: uint8 b h w 3 -> the same.
        count: number of scenes.
        size: side of the squares they are painted on.
        seed: of the scenes; another one than that of scenes it was trained on.
        on_progress: told how many scenes are done.
    """
    scenes = (pair(seed, index, (size, size)) for index in range(count))
    return {"size": size, "seed": seed, **score_pairs(enhance, scenes, on_progress=on_progress)}


def score_pairs(
    enhance: Enhance, pairs: Iterable[tuple[Rgb, Rgb]], *, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """How close dark pictures are to their bright truth, as they are and enhanced.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pairs: dark pictures and their truth, both of one size.
        on_progress: told how many pairs are done.

    Returns:
        "count"; of "input" and "enhanced" the means of "psnr" (dB), "ssim", "ms_ssim" and "loe" over the pictures that
        are large enough for them, None where none is. LOE, too, is against the truth: it tells whose order of light is
        the truth's, where its authors tell what enhancing changed.

    Raises:
        UsageError: `enhance` changes the size of pictures.
    """
    scores = {state: {name: [] for name in CLOSENESS} for state in ("input", "enhanced")}
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
                    values.append(float(CLOSENESS[name](picture, truth[None])[0]))
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
    """Two pictures of one scene, in less and in more light."""

    darker: Candidate
    brighter: Candidate

    def read(self) -> tuple[Rgb, Rgb]:
        return self.darker.rgb(), self.brighter.rgb()


def quasi_pairs(table: Path, on_left_out: Callable[[str], None]) -> list[QuasiPair]:
    """The darkest and the brightest picture, by mean luma, of each group of a CSV file.

    Args:
        table: with a column `group` and one that names pictures of its folder, `file` or `id`, as `prepare --groups`
            takes it.
        on_left_out: told, in a line, which group has no two pictures of one size, and why.

    Raises:
        UsageError: no such file, or one without these columns; a picture that it names is not there, or is no picture;
            no group is left.
    """
    if not table.is_file():
        raise UsageError(f"--pairs: file not found: {table}")
    try:
        candidates = from_folders([table.parent])
    except UsageError:
        raise UsageError(f"--pairs: no pictures in {table.parent}, the folder of {table.name}") from None
    by_id = {candidate.id: candidate for candidate in candidates}
    group_of, strangers = read_assignments(table, "group", candidates)
    if strangers:
        raise UsageError(
            f"--pairs: {table} names {len(strangers)} pictures that its folder lacks ({strangers[0]}, ...)"
        )
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
            found.append(QuasiPair(members[order[0]], members[order[-1]]))
    if not found:
        raise UsageError(f"--pairs: {table} has no group with two pictures of one size")
    return found


def light_statistics(
    enhance: Enhance, pictures: Iterable[UInt8[np.ndarray, "_ _ 3"]], *, on_progress: Callable[[int], None]
) -> dict[str, Any]:
    """What enhancing does to the light and colour of real pictures.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pictures: of any sizes.
        on_progress: told how many pictures are done.

    Returns:
        "count"; of "input" and "enhanced", as means over the pictures, "mean_luma" (0..255), "clipped" and "crushed"
        (shares of pixels with a channel at 255, and with all at 0), "colourfulness" (0 for grey, about 110 at most);
        "luma_change": |enhanced / input - 1| of the mean luma, as "mean" and "max" over the pictures, and the share
        "unchanged" of pictures where it is at most 12 %.
    """
    rows: dict[str, list[dict[str, float]]] = {"input": [], "enhanced": []}
    for count, picture in enumerate(pictures, start=1):
        for state, rgb in (("input", picture), ("enhanced", enhance(picture[None])[0])):
            rows[state].append(_light(rgb))
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


def _light(rgb: Rgb) -> dict[str, float]:
    crushed, blown = clipped(rgb)[0]
    return {
        "mean_luma": float(mean_luma(rgb)),
        "clipped": float(blown),
        "crushed": float(crushed),
        "colourfulness": float(colourfulness(rgb)[0]),
    }


def spread(length: int, at_most: int | None) -> Sequence[int]:
    """`at_most` positions spread evenly over 0..length-1; all of them where it is None."""
    if at_most is None or at_most >= length:
        return range(length)
    return [position * length // at_most for position in range(at_most)]

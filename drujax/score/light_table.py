"""Many models, measured alike: on dark pictures alone, on pairs with the day, and on painted scenes.

Each picture gives a row of numbers per model (`Row`); a table has the means of a set's rows. `docs/light_table.md`
defines the columns.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import mean_luma
from drujax.data.scenes import situation
from drujax.errors import UsageError
from drujax.metrics.exposure import pair_columns
from drujax.metrics.exposure_faults import picture_faults
from drujax.metrics.registry import find
from drujax.score.light_probes import fade_fall, probe

Rgb = UInt8[np.ndarray, "_ _ 3"]
Enhance = Callable[[np.ndarray], np.ndarray]  # uint8 b h w 3 -> the same
Row = dict[str, Any]  # "model", "set", "picture", and numbers by column; None where a number does not apply

NO_REFERENCE = ("brisque", "piqe", "niqe")
TRUTH = ("luma", "way", "psnr", "luma_correlation", "gradient_correlation", "chroma_distance", "loe")
FAULTS = (
    *("unevenness", "contrast_kept", "black_lift", "hue_shift", "chroma_growth", "lights_dimmed", "lights_clipped"),
    *("bright_change", "noise_gain", "block_gain", "jump", "fade_fall"),
)
SIZE = (192, 304)  # of the painted scenes
# The situations of which the first scene is probed, which takes several pictures, and whose daylight fades in.
PROBED = ("lit town", "lamp", "moon", "almost black")
FADED = ("lit town", "uncertain")


class Column(NamedTuple):
    """How a column is shown."""

    title: str
    digits: int
    better: str  # "lower", "higher", or the value that is right


COLUMNS: dict[str, Column] = {
    "brisque": Column("BRISQUE", 2, "lower"),
    "piqe": Column("PIQE", 1, "lower"),
    "niqe": Column("NIQE", 2, "lower"),
    "luma": Column("luma", 0, "the day's"),
    "way": Column("way", 2, "1"),
    "psnr": Column("PSNR", 2, "higher"),
    "luma_correlation": Column("luma corr.", 3, "higher"),
    "gradient_correlation": Column("grad. corr.", 3, "higher"),
    "chroma_distance": Column("chroma", 3, "lower"),
    "loe": Column("LOE", 0, "lower"),
    "unevenness": Column("uneven", 3, "0"),
    "contrast_kept": Column("contrast", 2, "1"),
    "black_lift": Column("black", 1, "0"),
    "hue_shift": Column("hue", 1, "lower"),
    "chroma_growth": Column("colour", 2, "the day's"),
    "lights_dimmed": Column("dimmed", 2, "0"),
    "lights_clipped": Column("clipped", 2, "0"),
    "bright_change": Column("bright", 1, "0"),
    "noise_gain": Column("noise", 2, "1"),
    "block_gain": Column("blocks", 2, "1"),
    "jump": Column("jump", 1, "lower"),
    "fade_fall": Column("fade", 1, "0"),
}


def dark_rows(enhance: Enhance, pictures: Iterable[tuple[str, Rgb]]) -> Iterator[Row]:
    """Rows of dark pictures whose day nobody knows: no-reference metrics and mean luma.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pictures: their names and pixels.
    """
    for name, dark in pictures:
        enhanced = _enhanced(enhance, dark)
        yield {"picture": name, **no_reference(enhanced), "luma": _luma(enhanced), **picture_faults(enhanced, dark)}


def pair_rows(enhance: Enhance, pairs: Iterable[tuple[str, Rgb, Rgb]]) -> Iterator[Row]:
    """Rows of dark pictures with the same scene by day: `pair_columns` and `picture_faults` of `drujax.metrics`.

    Args:
        enhance: uint8 b h w 3 -> the same.
        pairs: their names, dark and bright pixels.
    """
    for name, dark, bright in pairs:
        enhanced = _enhanced(enhance, dark)
        yield {"picture": name, **pair_columns(enhanced, dark, bright), **picture_faults(enhanced, dark, bright)}


def painted_rows(enhance: Enhance, scenes: Iterable[tuple[str, int]]) -> Iterator[Row]:
    """Rows of painted situations of light (`drujax.data.scenes.situations`), with "kind", against their truth.

    The first scenes of the situations `PROBED` and `FADED` are also probed for noise, blocks and jumps, and for the
    order in a fade-in (`drujax.score.light_probes`). Bright scenes have "bright_change" alone: the mean absolute change
    of their levels.

    Args:
        enhance: uint8 b h w 3 -> the same.
        scenes: names of situations, and which scene of each.
    """
    for kind, number in scenes:
        dark, bright = situation(kind, number, SIZE)
        enhanced = _enhanced(enhance, dark)
        row = {"picture": f"{kind} {number}", "kind": kind}
        if np.array_equal(dark, bright):
            yield row | {"bright_change": float(np.abs(enhanced.astype(int) - dark).mean())}
            continue
        row |= pair_columns(enhanced, dark, bright) | picture_faults(enhanced, dark, bright)
        if number == 0 and kind in PROBED:
            row |= probe(enhance, dark, enhanced)
        if number == 0 and kind in FADED:
            row["fade_fall"] = fade_fall(enhance, bright)
        yield row


def no_reference(rgb: Rgb) -> dict[str, float | None]:
    """BRISQUE, PIQE and NIQE; None where the picture is too small for one, or has no contrast."""
    scores: dict[str, float | None] = {}
    for name in NO_REFERENCE:
        try:
            score = float(find(name).function(rgb)[0])
        except UsageError:
            score = math.nan
        scores[name] = score if math.isfinite(score) else None
    return scores


def means(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, float | None]:
    """The mean of each column over the rows that have a number there; None where none has."""
    result = {}
    for column in columns:
        values = [row[column] for row in rows if row.get(column) is not None and math.isfinite(row[column])]
        result[column] = statistics.fmean(values) if values else None
    return result


def summary(rows: Sequence[Row], columns: Sequence[str], by: str = "model") -> list[Row]:
    """A row of means for each value of `by`, in order of appearance; columns that no row has are left out."""
    columns = [column for column in columns if any(row.get(column) is not None for row in rows)]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[by], []).append(row)
    return [{by: name, "count": len(of), **means(of, columns)} for name, of in groups.items()]


def shown(row: Mapping[str, Any], by: str = "model") -> dict[str, str]:
    """The cells of a row of `summary`, titles and digits as in `COLUMNS`."""
    cells = {by: str(row[by])}
    for name, value in row.items():
        if name in COLUMNS:
            column = COLUMNS[name]
            cells[column.title] = "-" if value is None else f"{value:.{column.digits}f}"
    return cells


def _enhanced(enhance: Enhance, dark: Rgb) -> Rgb:
    enhanced = enhance(dark[None])[0]
    if enhanced.shape != dark.shape:
        raise UsageError(
            f"the model changes the size of pictures, {dark.shape[1]}x{dark.shape[0]} to "
            f"{enhanced.shape[1]}x{enhanced.shape[0]}, so they cannot be compared with the day"
        )
    return enhanced


def _luma(rgb: Rgb) -> float:
    return float(mean_luma(rgb))

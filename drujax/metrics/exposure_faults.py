"""What enhancing spoils, as numbers: blots and halos, flat darks, lifted black, shifted colours, burnt lights.

A no-reference metric may reward each of these faults. Every number here looks at one of them, at the enhanced picture
beside the one that was enhanced, and needs no truth. It is None where the picture has nothing to look at.
"""

import numpy as np
from jaxtyping import Bool, Float

from drujax.metrics.exposure import Image, Luma, levels, log_luma
from drujax.pictures.color import luma

Rgb = Float[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]

FEWEST = 24  # pixels that a number must rest on
THINNED = 160  # pixels of the shorter side that are enough for what is smooth: even grounds and colours
EVEN = 1.5  # levels by which the channels of one even ground may differ, after smoothing
STEPS = (1 / 32, 1 / 16, 1 / 8, 1 / 4)  # of the shorter side: how far apart places of one even ground are compared
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
VISIBLE = 12.0  # luma from which a colour counts
BLACK = 2  # levels up to which a picture counts as black
LIGHT = 120.0  # luma from which a dark picture's pixel counts as a light


def picture_faults(enhanced: Image, dark: Image, bright: Image | None = None) -> dict[str, float | None]:
    """Measures the faults of one enhanced picture.

    Args:
        enhanced: (h, w, 3), uint8 or floating in [0, 1].
        dark: what was enhanced, of the same shape.
        bright: the same scene by day, where it is known: what is black in both is meant to be.

    Returns:
        "unevenness", "contrast_kept", "black_lift", "hue_shift", "chroma_growth", "lights_dimmed", "lights_clipped",
        as the functions of these names define them.

    Raises:
        UsageError: the shapes differ, or an array is not a picture.
    """
    after, before = levels(enhanced, dark, "enhanced")
    day = None if bright is None else levels(bright, dark, "bright")[0]
    return {
        "unevenness": unevenness(after, before),
        "contrast_kept": contrast_kept(luma(after), luma(before)),
        "black_lift": black_lift(after, before, day),
        "hue_shift": hue_shift(after, before),
        "chroma_growth": chroma_growth(after, before),
        "lights_dimmed": lights_dimmed(after, before),
        "lights_clipped": lights_clipped(after, before),
    }


def unevenness(after: Rgb, before: Rgb) -> float | None:
    """How unevenly even ground is lifted: blots, seams, halos. 0 is right; 0.1 is a difference of about 10 %.

    Two places are one even ground where all channels of the smoothed input are equal within 1.5 levels, at both and at
    three places between. There, the root of the mean squared difference of the log gain, log((Y' + 8) / (Y + 8)), over
    places a 32nd to a quarter of the shorter side apart, in four directions.
    """
    gain = log_luma(luma(after)) - log_luma(luma(before))
    ground, gain = thinned(box_mean(before, 1)), thinned(box_mean(gain, 1))
    side, total, number = min(gain.shape), 0.0, 0
    for step in STEPS:
        quarter = round(step * side / 4)
        if quarter == 0:
            continue
        for dy, dx in DIRECTIONS:
            along = [_shifted(ground, dy * quarter, dx * quarter, k) for k in range(5)]
            even = np.ones(along[0].shape[:2], bool)
            for place in along[1:]:
                for channel in range(3):
                    even &= np.abs(place[..., channel] - along[0][..., channel]) <= EVEN
            ends = [_shifted(gain, dy * quarter, dx * quarter, k) for k in (0, 4)]
            difference = (ends[1] - ends[0])[even]
            total, number = total + float((difference**2).sum()), number + difference.size
    return float(np.sqrt(total / number)) if number >= FEWEST else None


def contrast_kept(after: Luma, before: Luma) -> float | None:
    """Local contrast of dark texture, as a share of the input's: 1 is kept, below it is milky, above it is sharper.

    The mean standard deviation of log(Y + 1) in windows of 7 x 7 pixels, enhanced over input, where the input's window
    has a mean luma of 4 to 64 and a deviation of 0.05 to 0.5: more is the edge of a lamp or a bar.
    """
    light = box_mean(before, 3)
    old, new = (deviation(np.log(y + 1), 3) for y in (before, after))
    texture = (light >= 4) & (light <= 64) & (old >= 0.05) & (old <= 0.5)
    return float(new[texture].mean() / old[texture].mean()) if texture.sum() >= FEWEST else None


def black_lift(after: Rgb, before: Rgb, day: Rgb | None = None) -> float | None:
    """Mean of the largest channel, 0..255, where the input and its neighbours are black: outlines, bars, silhouettes.

    Black is at most level 2 in the input and, where that is known, at most level 16 by day.
    """
    not_black = before.max(-1) > BLACK
    if day is not None:
        not_black |= day.max(-1) > 16
    black = box_mean(not_black.astype(np.float32), 1) < 1e-4
    return float(after.max(-1)[black].mean()) if black.sum() >= FEWEST else None


def hue_shift(after: Rgb, before: Rgb) -> float | None:
    """Mean turn of the hue in OKLab, 0 to 180 degrees, weighted by the smaller chroma; of pixels of luma 12 or more."""
    after, before = thinned(after), thinned(before)
    pairs = [oklab(rgb[luma(before) >= VISIBLE])[..., 1:] for rgb in (after, before)]
    (a1, b1), (a0, b0) = (np.moveaxis(pair, -1, 0) for pair in pairs)
    weight = np.minimum(np.hypot(a1, b1), np.hypot(a0, b0))
    if len(weight) < FEWEST or weight.mean() < 1e-3:  # grey
        return None
    turn = np.abs(np.degrees(np.arctan2(a0 * b1 - b0 * a1, a0 * a1 + b0 * b1)))
    return float((turn * weight).sum() / weight.sum())


def chroma_growth(after: Rgb, before: Rgb) -> float | None:
    """Mean OKLab chroma, enhanced over input, of pixels whose luma in the input is 12 or more; 1 is unchanged.

    Light alone makes it grow: by g^0.8 for a gain g of levels. The day's own growth is what to compare it with.
    """
    after, before = thinned(after), thinned(before)
    visible = luma(before) >= VISIBLE
    new, old = (np.hypot(*np.moveaxis(oklab(rgb[visible])[..., 1:], -1, 0)) for rgb in (after, before))
    return float(new.mean() / old.mean()) if visible.sum() >= FEWEST and old.mean() > 1e-3 else None


def lights_dimmed(after: Rgb, before: Rgb) -> float | None:
    """Share of the lights (see `lights`) whose luma falls by more than 6 levels."""
    lit = lights(luma(before))
    return float((luma(after)[lit] < luma(before)[lit] - 6).mean()) if lit.sum() >= FEWEST else None


def lights_clipped(after: Rgb, before: Rgb) -> float | None:
    """Share of the lights (see `lights`) in which a channel that was below level 250 reaches 254."""
    lit = lights(luma(before))
    if lit.sum() < FEWEST:
        return None
    return float(((after[lit] >= 254) & (before[lit] < 250)).any(-1).mean())


def lights(y: Luma) -> Mask:
    """Lamps, windows, neon, moon: pixels of luma 120 or more, and of three times the picture's median."""
    return (y >= LIGHT) & (y >= 3 * np.median(y))


def oklab(rgb: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Converts sRGB levels 0..255 to OKLab (Ottosson, 2020): lightness 0..1, and the opponents a and b."""
    x = rgb / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def box_mean(x: Float[np.ndarray, "h w *c"], radius: int) -> Float[np.ndarray, "h w *c"]:
    """Means over squares of 2 radius + 1 pixels; the border repeats its last pixels."""
    h, w = x.shape[:2]
    size = 2 * radius + 1
    padded = np.pad(x, [(radius, radius), (radius, radius)] + [(0, 0)] * (x.ndim - 2), mode="edge")
    rows = np.zeros_like(padded[:h])
    for k in range(size):
        rows += padded[k : k + h]
    total = np.zeros_like(rows[:, :w])
    for k in range(size):
        total += rows[:, k : k + w]
    return total / total.dtype.type(size**2)


def thinned(x: Float[np.ndarray, "h w *c"]) -> Float[np.ndarray, "h2 w2 *c"]:
    """Every second, third, ... row and column, so that the shorter side has 160 to 320 pixels, or all of fewer."""
    step = max(1, min(x.shape[:2]) // THINNED)
    return x[::step, ::step]


def deviation(x: Luma, radius: int) -> Luma:
    """Standard deviations over squares of 2 radius + 1 pixels."""
    x = x - x.mean()  # near a mean of zero, the difference of squares loses less to rounding
    return np.sqrt(np.maximum(box_mean(x**2, radius) - box_mean(x, radius) ** 2, 0))


def _shifted(x: Float[np.ndarray, "h w *c"], dy: int, dx: int, k: int) -> Float[np.ndarray, "h2 w2 *c"]:
    """The part of `x` that is k steps of (dy, dx) from where 4 such steps stay inside the picture."""
    h, w = x.shape[0] - 4 * abs(dy), x.shape[1] - 4 * abs(dx)
    top, left = k * dy, k * dx if dx >= 0 else (4 - k) * -dx
    return x[top : top + h, left : left + w]


_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)

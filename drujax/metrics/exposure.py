"""How an enhanced picture compares with the same scene in daylight: exposure, structure and colour, each by itself.

No-reference metrics reward a picture for contrast anywhere, halos included. These columns need the truth, and each
answers one question that a single PSNR mixes with the others: is it as light as the day, and with its exposure set
aside, are the same things light and dark, are the same edges strong, and are the colours the day's.
"""

import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.metrics.kernels.validation import as_pair
from drujax.metrics.loe import loe
from drujax.pictures.color import luma

# Levels added to luma before a logarithm or a division: below that, noise and compression decide.
DARKEST = 8.0

Image = Shaped[Array | np.ndarray, "..."]
Luma = Float[np.ndarray, "h w"]


def pair_columns(enhanced: Image, dark: Image, bright: Image) -> dict[str, float]:
    """Compares an enhanced picture with the scene's daylight.

    Args:
        enhanced: (h, w, 3), uint8 or floating in [0, 1].
        dark: what was enhanced, of the same shape.
        bright: the same scene by day, of the same shape.

    Returns:
        "luma": mean ITU-R 601 luma of `enhanced`, 0..255.
        "way": see `way_to_day`; 0 for the dark picture, 1 for the day's exposure.
        "psnr": `psnr_at_equal_mean` in dB; higher is better.
        "luma_correlation", "gradient_correlation": of log luma and of its gradients, -1..1; higher is better.
        "chroma_distance": at least 0; lower is better.
        "loe": lightness order error against the day, 0..1000; lower is better (`drujax.metrics.loe`).

    Raises:
        UsageError: the shapes differ, or an array is not a picture.
    """
    (x, truth), (night, _) = levels(enhanced, bright, "enhanced"), levels(dark, bright, "dark")
    y, day = luma(x), luma(truth)
    return {
        "luma": float(y.mean()),
        "way": way_to_day(y, luma(night), day),
        "psnr": psnr_at_equal_mean(x, truth),
        "luma_correlation": correlation(log_luma(y), log_luma(day)),
        "gradient_correlation": correlation(gradients(log_luma(y)), gradients(log_luma(day))),
        "chroma_distance": chroma_distance(x, truth),
        "loe": float(loe(enhanced, bright)[0]),
    }


def way_to_day(enhanced: Luma, dark: Luma, bright: Luma) -> float:
    """How far the exposure went from the dark picture's to the day's: log(e / d) / log(b / d) of the mean lumas.

    NaN where both exposures are the same.
    """
    e, d, b = (float(np.log(max(y.mean(), 1.0))) for y in (enhanced, dark, bright))
    return (e - d) / (b - d) if b != d else float("nan")


def psnr_at_equal_mean(enhanced: Float[np.ndarray, "h w 3"], bright: Float[np.ndarray, "h w 3"]) -> float:
    """PSNR in dB after the one gain that gives `enhanced` the mean luma of `bright`; levels beyond 255 clip."""
    gain = luma(bright).mean() / max(float(luma(enhanced).mean()), 1e-6)
    error = np.minimum(enhanced * gain, 255) - bright
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-9)))


def chroma_distance(enhanced: Float[np.ndarray, "h w 3"], bright: Float[np.ndarray, "h w 3"]) -> float:
    """Mean Euclidean distance of (R / (Y + 8), B / (Y + 8)) of all pixels, Y being luma; independent of exposure."""
    return float(np.hypot(*np.moveaxis(chroma(enhanced) - chroma(bright), -1, 0)).mean())


def chroma(rgb: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 2"]:
    """Returns (R, B) / (Y + 8) of levels 0..255."""
    return rgb[..., ::2] / (luma(rgb) + DARKEST)[..., None]


def log_luma(y: Luma) -> Luma:
    """Natural logarithm of luma + 8, of levels 0..255."""
    return np.log(y + DARKEST)


def gradients(x: Luma) -> Float[np.ndarray, " n"]:
    """Differences of neighbours, vertical and then horizontal ones, in one vector."""
    return np.concatenate([np.diff(x, axis=0).ravel(), np.diff(x, axis=1).ravel()])


def correlation(x: Float[np.ndarray, "..."], y: Float[np.ndarray, "..."]) -> float:
    """Pearson's correlation; 0 where one of both is constant (nothing of the other is in it)."""
    x, y = (of.ravel().astype(np.float64) - of.mean(dtype=np.float64) for of in (x, y))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-12 else 0.0


def levels(images: Image, truth: Image, name: str) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w 3"]]:
    """Returns one picture and its reference, of equal shape, as float32 levels 0..255.

    Raises:
        UsageError: the shapes differ, or an array is not a picture.
    """
    x, y = as_pair(images, truth, name)
    return x[0] * 255, y[0] * 255

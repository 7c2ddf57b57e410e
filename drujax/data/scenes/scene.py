"""Renders scenes by seed and index, singly or as dark and bright pairs."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import Partition, mean_luma
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.compose import KINDS
from drujax.data.scenes.lighting import Light, Lighting, LightKind
from drujax.data.scenes.palette import season_of
from drujax.data.scenes.rng import Rng
from drujax.errors import UsageError, unknown

FULL_DAYLIGHT = Lighting("day", 1.0)
MEASURED = 36  # height of the renderings of `illumination`, in pixels

# Lightings that mostly lead to each QAB partition (eq. 1): kind, and range of levels.
_LIGHTS: dict[Partition, tuple[tuple[LightKind, float, float], ...]] = {
    "dark": (
        ("night", 0.0, 0.75), ("night", 0.0, 0.6), ("interior", 0.0, 0.7), ("dusk", 0.0, 0.45), ("backlit", 0.0, 0.45),
        ("day", 0.0, 0.2),
    ),
    "uncertain": (("day", 0.35, 0.75), ("dusk", 0.6, 1.0), ("backlit", 0.6, 1.0), ("day", 0.5, 0.8)),
    "bright": (("day", 0.94, 1.0),),
}  # fmt: skip


def kind_of(seed: int, index: int) -> str:
    """Returns the kind, one of `KINDS`, of the scene (seed, index)."""
    return _rng(seed, index).part("kind").pick(tuple(KINDS))


def draw_lighting(seed: int, index: int, partition: Partition | None = None) -> Lighting:
    """Draws a lighting under which the scene is likely in `partition` of QAB; None draws all partitions equally.

    The partition is likely, not guaranteed: QAB decides from the rendered image.

    Raises:
        UsageError: the partition is unknown.
    """
    draw = _rng(seed, index).part("lighting")
    if partition is not None and partition not in _LIGHTS:
        raise unknown("partition", partition, _LIGHTS)
    kind, low, high = draw.pick(_LIGHTS[partition or draw.pick(tuple(_LIGHTS))])
    return Lighting(kind, draw.uniform(low, high))


def paint(
    seed: int,
    index: int,
    size: tuple[int, int],
    lighting: Lighting | None = None,
    overlay: Callable[[Canvas, Light, Rng], None] = lambda canvas, light, rng: None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Renders the scene (seed, index) in sRGB.

    Args:
        seed: at least 0.
        index: number of the scene, at least 0.
        size: (height, width) in pixels.
        lighting: illumination; None uses `draw_lighting`.
        overlay: paints over the finished scene, under its light.

    Raises:
        UsageError: an argument is out of range.
    """
    if min(size) < 1:
        raise UsageError(f"size: must be at least 1x1, got {size[0]}x{size[1]}")
    rng = _rng(seed, index)
    canvas = Canvas(size)
    light = Light(lighting or draw_lighting(seed, index), rng)
    KINDS[kind_of(seed, index)](canvas, light, rng)
    overlay(canvas, light, rng)
    _vignette(canvas, light)
    return canvas.to_uint8()


def pair(seed: int, index: int, size: tuple[int, int]) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]:
    """Renders the scene under a dark and a bright lighting of `draw_lighting`; the two images are pixel-aligned."""
    return (
        paint(seed, index, size, draw_lighting(seed, index, "dark")),
        paint(seed, index, size, draw_lighting(seed, index, "bright")),
    )


def illumination(seed: int, index: int, lighting: Lighting | None = None) -> float:
    """Measures the true illumination of a scene: its mean luma, as a fraction of that at full daylight.

    Unlike the luma of an image it does not depend on what the scene shows. Measured on small renderings, whose means
    are those of large ones.

    Args:
        seed: at least 0.
        index: number of the scene, at least 0.
        lighting: illumination; None uses `draw_lighting`.
    """
    size = (MEASURED, MEASURED * 16 // 9)
    return float(mean_luma(paint(seed, index, size, lighting)) / mean_luma(paint(seed, index, size, FULL_DAYLIGHT)))


def season(seed: int, index: int) -> str:
    """Returns the season of the scene (seed, index), one of `drujax.data.scenes.palette.SEASONS` by name."""
    return season_of(_rng(seed, index)).name


def _vignette(canvas: Canvas, light: Light) -> None:
    """Darkens the corners of dimly lit scenes."""
    if light.vignette:
        x, y = canvas.x / max(canvas.px * canvas.x.size, 0.5), canvas.y[:, None] - 0.5
        canvas.rgb *= 1.0 - light.vignette * np.clip(2.2 * (x * x + y * y) - 0.15, 0.0, 1.0)


def _rng(seed: int, index: int) -> Rng:
    for name, value in (("seed", seed), ("index", index)):
        if value < 0:
            raise UsageError(f"{name}: must be >= 0, got {value}")
    return Rng(seed, index)

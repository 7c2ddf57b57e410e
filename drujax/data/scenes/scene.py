"""Painting scenes by number, alone or as a pair of dark and bright."""

import numpy as np
from jaxtyping import UInt8

from drujax.data.qab import Partition
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.compose import KINDS
from drujax.data.scenes.lighting import Light, Lighting, LightKind
from drujax.data.scenes.rng import Rng
from drujax.errors import UsageError, unknown

# The lights that mostly give a partition of QAB (eq. 1): kind, and the levels to draw from.
_LIGHTS: dict[Partition, tuple[tuple[LightKind, float, float], ...]] = {
    "dark": (
        ("night", 0.0, 0.75), ("night", 0.0, 0.6), ("interior", 0.0, 0.7), ("dusk", 0.0, 0.45), ("backlit", 0.0, 0.45),
        ("day", 0.0, 0.2),
    ),
    "uncertain": (("day", 0.35, 0.75), ("dusk", 0.6, 1.0), ("backlit", 0.6, 1.0), ("day", 0.5, 0.8)),
    "bright": (("day", 0.94, 1.0),),
}  # fmt: skip


def kind_of(seed: int, index: int) -> str:
    """The kind, one of `KINDS`, of the scene (seed, index)."""
    return _chance(seed, index).part("kind").pick(tuple(KINDS))


def draw_lighting(seed: int, index: int, partition: Partition | None = None) -> Lighting:
    """A light for the scene that most likely makes it `partition` of QAB; None draws dark, uncertain and bright alike.

    It is a draw, not a promise: whether a picture is dark or bright is for QAB to say.
    """
    draw = _chance(seed, index).part("lighting")
    if partition is not None and partition not in _LIGHTS:
        raise unknown("partition", partition, _LIGHTS)
    kind, low, high = draw.pick(_LIGHTS[partition or draw.pick(tuple(_LIGHTS))])
    return Lighting(kind, draw.uniform(low, high))


def paint(seed: int, index: int, size: tuple[int, int], lighting: Lighting | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The scene (seed, index), both ≥ 0, at `size` (height, width), sRGB; its light is `draw_lighting`'s if None."""
    if min(size) < 1:
        raise UsageError(f"size: {size[0]}x{size[1]} is smaller than 1x1.")
    rng = _chance(seed, index)
    canvas = Canvas(size)
    light = Light(lighting or draw_lighting(seed, index), rng)
    KINDS[kind_of(seed, index)](canvas, light, rng)
    _vignette(canvas, light)
    return canvas.to_uint8()


def pair(seed: int, index: int, size: tuple[int, int]) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]:
    """The scene in a dark and in a bright light, as `draw_lighting` draws them: the same shapes in the same places."""
    return (
        paint(seed, index, size, draw_lighting(seed, index, "dark")),
        paint(seed, index, size, draw_lighting(seed, index, "bright")),
    )


def _vignette(canvas: Canvas, light: Light) -> None:
    """Dim light falls off towards the corners of the frame."""
    if light.vignette:
        x, y = canvas.x / max(canvas.px * canvas.x.size, 0.5), canvas.y[:, None] - 0.5
        canvas.rgb *= 1.0 - light.vignette * np.clip(2.2 * (x * x + y * y) - 0.15, 0.0, 1.0)


def _chance(seed: int, index: int) -> Rng:
    for name, value in (("seed", seed), ("index", index)):
        if value < 0:
            raise UsageError(f"{name}: {value} is negative.")
    return Rng(seed, index)

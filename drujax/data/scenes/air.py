"""Petals, leaves, snow and birds in the air."""

import numpy as np

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, rgb
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.town import INK


def drift(canvas: Canvas, light: Light, rng: Rng, season: Season) -> None:
    """Occasional petals in spring, leaves in autumn, snowflakes in winter; nothing in summer."""
    draw = rng.part("drift")
    if not draw.happens(0.6) or season.name not in ("spring", "autumn", "winter"):
        return
    colour = rgb("ffffff") if season.name == "winter" else season.foliage[0]
    flake = light.shade(np.clip(colour * 1.08, 0.0, 1.0), 1.0, 0.15)
    for a, b, c, d in draw.many(34, 4).tolist():
        size = 0.003 + 0.006 * c * c
        if season.name == "winter":
            canvas.ellipse((2.4 * a - 1.2, b), 0.8 * size, 0.8 * size, flake, 0.85)
        else:
            turn = (np.cos(6.3 * d) * size, np.sin(6.3 * d) * size)
            x, y = 2.4 * a - 1.2, b
            canvas.line((x - turn[0], y - turn[1]), (x + turn[0], y + turn[1]), 1.1 * size, flake, 0.95)


def birds(canvas: Canvas, light: Light, rng: Rng, horizon: float) -> None:
    """A few distant birds."""
    draw = rng.part("birds")
    if not draw.happens(0.3):
        return
    x, y = draw.uniform(-0.35, 0.35), horizon * draw.uniform(0.3, 0.7)
    ink = light.shade(INK, 0.3, 0.35)
    for a, b, c in draw.many(draw.count(3, 6), 3).tolist():
        at, size = (x + 0.3 * (a - 0.5), y + 0.12 * (b - 0.5)), 0.01 + 0.012 * c
        for side in (-1.0, 1.0):
            elbow = (at[0] + side * size, at[1] - 0.55 * size)
            canvas.line(at, elbow, 0.28 * size, ink, 0.9)
            canvas.line(elbow, (elbow[0] + side * 0.9 * size, elbow[1] + 0.25 * size), 0.22 * size, ink, 0.9)

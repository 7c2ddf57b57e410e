"""Scenes by the sea."""

import numpy as np

from drujax.data.scenes import air, land, town, trees
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, rgb, season_of
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.sky import paint_sky
from drujax.data.scenes.water import shoreline, water

SAND = rgb("f3e2bd")


def coast(canvas: Canvas, light: Light, rng: Rng) -> None:
    """The sea with islands, a beach, and occasionally a lighthouse or a gate in the water."""
    draw, season = rng.part("coast"), season_of(rng)
    horizon = draw.uniform(0.4, 0.56)
    sky = paint_sky(canvas, light, rng, horizon, (1, 4))
    air.birds(canvas, light, rng, horizon)
    isles = draw.part("isles")
    for k in range(isles.count(0, 3)):
        isle, depth = isles.part(str(k)), 0.8 - 0.15 * k
        x, wide, high = isle.uniform(-0.8, 0.8), isle.uniform(0.1, 0.35), isle.uniform(0.02, 0.09)
        dome = np.clip(1.0 - ((canvas.x - x) / wide) ** 2, 0.0, None) ** 0.7
        rough = 1.0 + 0.35 * land.fractal(isle.many(32), (canvas.x + 8.0) / 0.12, 4)
        canvas.ground(
            (horizon + 0.003 - high * dome * rough).astype(np.float32), light.shade(season.ridge * 0.9, 0.4, depth)
        )
    if draw.happens(0.3):
        _gate(canvas, light, draw.uniform(-0.3, 0.3), horizon + 0.02, draw.uniform(0.14, 0.26))
    water(canvas, light, rng, sky, horizon, still=draw.uniform(0.1, 0.4))
    side = draw.pick((-1.0, 1.0))
    if draw.happens(0.35):
        _headland(canvas, light, draw.part("headland"), season, side, horizon)
        side = -side
    beach = draw.happens(0.8)
    if beach:
        shoreline(canvas, light, draw.part("shore"), horizon + draw.uniform(0.05, 0.16), SAND, side)
    if not beach or draw.happens(0.3):
        land.grass(canvas, light, draw.part("grass"), season, 0.91)
    if draw.happens(0.3):
        trees.branches(canvas, light, draw.part("branches"), draw.pick(season.foliage), -side)


def _gate(canvas: Canvas, light: Light, x: float, foot: float, height: float) -> None:
    """A torii in the water."""
    red, dark = light.shade(rgb("d6503c"), 0.7, 0.12), light.shade(rgb("7a3434"), 0.2, 0.12)
    half = 0.4 * height
    for side in (-1.0, 1.0):
        canvas.polygon(
            [
                (x + side * half * 1.02, foot),
                (x + side * half * 1.22, foot),
                (x + side * half * 1.02, foot - height),
                (x + side * half * 0.86, foot - height),
            ],
            red,
        )
    canvas.rect(x - 1.2 * half, foot - 0.76 * height, x + 1.2 * half, foot - 0.69 * height, red)
    t = np.clip(np.abs(canvas.x - x) / (1.6 * half), 0, 1)
    roof = (foot - 0.97 * height - 0.06 * height * t * t).astype(np.float32)
    canvas.curve(x - 1.55 * half, x + 1.55 * half, roof + 0.04 * height, 0.06 * height, red)
    canvas.curve(x - 1.65 * half, x + 1.65 * half, roof - 0.01 * height, 0.05 * height, dark)


def _headland(canvas: Canvas, light: Light, draw: Rng, season: Season, side: float, horizon: float) -> None:
    """A cape with a lighthouse."""
    x = side * canvas.x
    out, top = draw.uniform(0.1, 0.3), horizon - draw.uniform(0.02, 0.08)
    rise = np.clip((x - out) / 0.5, 0.0, 1.0) ** 0.45
    line = (
        horizon
        + 0.06
        - (horizon + 0.06 - top) * rise
        - 0.01 * land.fractal(draw.many(64), (canvas.x + 8.0) / 0.05, 3) * rise
    )
    line = np.where(x < out, 1.2, line).astype(np.float32)
    foot = horizon + 0.05 + 0.04 * np.clip(x - out, 0.0, 1.0)
    rock = light.shade(rgb("a89a8c"), 0.35, 0.15)
    where = canvas.below(top - 0.05)
    if where is not None:
        inside = np.minimum(canvas.y[where[0]][:, None] - line, foot - canvas.y[where[0]][:, None])
        canvas.blend(where, canvas.edge(inside), rock)
        green = np.minimum(
            inside,
            line + 0.03 + 0.01 * land.fractal(draw.many(64), (canvas.x + 8.0) / 0.03, 2) - canvas.y[where[0]][:, None],
        )
        canvas.blend(where, canvas.edge(green), light.shade(season.grass * 0.92, 0.6, 0.15))
    at, height = side * (out + draw.uniform(0.16, 0.3)), draw.uniform(0.14, 0.22)
    base = float(np.interp(abs(at), np.sort(x), line[np.argsort(x)])) + 0.01
    _lighthouse(canvas, light, at, base, height)


def _lighthouse(canvas: Canvas, light: Light, x: float, foot: float, height: float) -> None:
    white, red = rgb("faf6f0"), rgb("d8574a")
    for left, right, lit in ((-1.0, 1.0, 0.95), (0.2, 1.0, 0.2)):
        canvas.polygon(
            [
                (x + left * 0.13 * height, foot),
                (x + right * 0.13 * height, foot),
                (x + right * 0.085 * height, foot - 0.8 * height),
                (x + left * 0.085 * height, foot - 0.8 * height),
            ],
            light.shade(white, lit, 0.08),
        )
    canvas.rect(
        x - 0.115 * height,
        foot - 0.5 * height,
        x + 0.115 * height,
        foot - 0.36 * height,
        light.shade(red, 0.7, 0.08),
        0.9,
    )
    canvas.rect(
        x - 0.12 * height,
        foot - 0.82 * height,
        x + 0.12 * height,
        foot - 0.79 * height,
        light.shade(town.INK, 0.4, 0.08),
    )
    lamp = light.lamp(light.shade(town.GLASS, 0.6, 0.08), rgb("fff0b0"))
    canvas.rect(x - 0.06 * height, foot - 0.93 * height, x + 0.06 * height, foot - 0.82 * height, lamp)
    canvas.polygon(
        [
            (x - 0.09 * height, foot - 0.92 * height),
            (x + 0.09 * height, foot - 0.92 * height),
            (x, foot - 1.03 * height),
        ],
        light.shade(red, 0.8, 0.08),
    )
    canvas.glow((x, foot - 0.87 * height), 0.25, rgb("fff0b0")[:, None, None], 0.45 * light.burning)
    canvas.glow((x, foot - 0.87 * height), 0.07, rgb("fffbe0")[:, None, None], 0.8 * light.burning)

"""Populated scenes: a village, a city, a country road."""

from collections.abc import Callable

import numpy as np

from drujax.data.scenes import air, land, town, trees
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, rgb, season_of
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.sky import paint_sky
from drujax.data.scenes.water import water

ASPHALT = rgb("b4b6c0")


def village(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Rows of houses down a slope, with poles and wires against the sky."""
    draw, season = rng.part("village"), season_of(rng)
    horizon = draw.uniform(0.46, 0.58)
    paint_sky(canvas, light, rng, horizon, (1, 4))
    land.ridges(canvas, light, rng, season, horizon - draw.uniform(0.08, 0.2), horizon + 0.02, 0.55)
    level = np.full_like(canvas.x, horizon + 0.02)
    trees.woods(canvas, light, draw.part("woods"), season, level, 0.04, 0.45)
    canvas.ground(level, light.shade(season.grass * 0.9, 0.5, 0.4))
    rows = draw.count(4, 5)
    for row in range(rows):
        t = row / (rows - 1)
        size, foot = 0.08 + 0.29 * t**1.5, horizon + 0.045 + 0.43 * t**1.2
        _street(canvas, light, draw.part(f"row{row}"), season, foot, size, 0.42 * (1.0 - t))
    _poles(canvas, light, draw.part("poles"), horizon)
    air.drift(canvas, light, rng, season)


def city(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A skyline in three depths, over a river or behind roofs."""
    draw, season = rng.part("city"), season_of(rng)
    ground = draw.uniform(0.66, 0.8)
    sky = paint_sky(canvas, light, rng, ground, (0, 3))
    if draw.happens(0.4):
        land.ridges(canvas, light, rng, season, ground - 0.28, ground - 0.05, 0.7)
    for k, depth in enumerate((0.78, 0.52, 0.28)):
        height = ground * (0.72 - 0.12 * k)
        town.skyline(canvas, light, draw.part(f"block{k}"), ground, height, depth, 0.07 + 0.035 * k, 0.3 + 0.1 * k)
    level = np.full_like(canvas.x, ground)
    if draw.happens(0.55):
        trees.woods(canvas, light, draw.part("bank"), season, level, 0.035, 0.2)
        water(canvas, light, rng, sky, ground, still=draw.uniform(0.65, 0.95))
        if draw.happens(0.5):
            trees.branches(canvas, light, draw.part("branches"), draw.pick(season.foliage), draw.pick((-1.0, 1.0)))
    else:
        trees.woods(canvas, light, draw.part("park"), season, level + 0.02, 0.09, 0.18)
        canvas.ground(level + 0.02, light.shade(season.grass, 0.6, 0.12))
        for k in range(3):
            size = 0.17 + 0.08 * k
            _street(canvas, light, draw.part(f"street{k}"), season, ground + 0.05 + 0.115 * k, size, 0.16 - 0.05 * k)


def road(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A straight road to the horizon, with poles along it and fields or the sea beyond."""
    draw, season = rng.part("road"), season_of(rng)
    horizon, x = draw.uniform(0.5, 0.62), draw.uniform(-0.15, 0.15)
    sky = paint_sky(canvas, light, rng, horizon, (2, 5))
    air.birds(canvas, light, rng, horizon)
    if draw.happens(0.5):
        land.ridges(canvas, light, rng, season, horizon - draw.uniform(0.08, 0.2), horizon + 0.02, 0.6)
    else:
        water(canvas, light, rng, sky, horizon - 0.05, horizon + 0.02, 0.2)
    edge = land.meadow(canvas, light, draw.part("field"), season, horizon + 0.01, 0.45, 0.006)
    if draw.happens(0.7):
        trees.woods(canvas, light, draw.part("woods"), season, edge + 0.01, draw.uniform(0.02, 0.06), 0.4)
    wide = draw.uniform(0.35, 0.55)

    def ray(offset: float, y: float) -> tuple[float, float]:
        return x + offset * (y - horizon) / (1.0 - horizon), y

    _asphalt(canvas, light, season, ray, wide, horizon)
    side = draw.pick((-1.0, 1.0))
    lone = draw.part("trees")
    for k in range(7, -1, -1):
        near = 1.0 / (1.0 + 0.8 * k)
        if lone.happens(0.5):
            at = ray(-side * (1.5 + 0.6 * lone.uniform()) * wide, horizon + (1.1 - horizon) * near)
            trees.tree(canvas, light, lone.part(str(k)), *at, 0.75 * near, lone.pick(season.foliage), 0.4 * (1 - near))
    nearness = [1.0 / (1.0 + 0.8 * k) for k in range(6)]
    posts = [(*ray(side * 1.35 * wide, horizon + (1.06 - horizon) * near), 1.15 * near) for near in nearness]
    town.pole_line(canvas, light, posts)
    land.grass(canvas, light, draw.part("grass"), season, 0.985)
    air.drift(canvas, light, rng, season)


def _asphalt(
    canvas: Canvas,
    light: Light,
    season: Season,
    ray: Callable[[float, float], tuple[float, float]],
    wide: float,
    horizon: float,
) -> None:
    """The road surface with markings; `ray` projects a lateral offset at a height to a point."""
    start = horizon + 0.012
    for half, colour, lit in ((1.22, season.soil, 0.6), (1.0, ASPHALT, 0.75)):
        corners = [ray(-half * wide, start), ray(half * wide, start), ray(half * wide, 1.4), ray(-half * wide, 1.4)]
        canvas.polygon(corners, light.shade(colour, lit, 0.05))
    white = light.shade(rgb("fffaf0"), 0.9)
    for offset in (-0.9, 0.9):
        canvas.polygon(
            [ray(offset * wide, start), ray((offset + 0.03) * wide, 1.4), ray((offset - 0.03) * wide, 1.4)], white, 0.9
        )
    for k in range(9):
        a, b = (horizon + (1.02 - horizon) / (1.0 + 0.75 * (k + s)) for s in (0.0, 0.4))
        canvas.polygon(
            [ray(-0.022 * wide, a), ray(0.022 * wide, a), ray(0.022 * wide, b), ray(-0.022 * wide, b)], white, 0.9
        )


def _street(canvas: Canvas, light: Light, draw: Rng, season: Season, foot: float, size: float, depth: float) -> None:
    """A row of houses and trees, each lot about `size` wide."""
    x, k = -1.25 + draw.uniform(0.0, size), 0
    while x < 1.25:
        lot = draw.part(str(k))
        k += 1
        if lot.happens(0.3):
            hue = lot.pick(season.foliage)
            trees.crown(canvas, light, lot, (x, foot - 0.12 * size), (0.36 * size, 0.3 * size), hue, depth, 12)
            x += 0.55 * size
        else:
            step = size * lot.uniform(0.95, 1.25)
            town.house(canvas, light, lot, season, x, foot + 0.04 * size * lot.uniform(), size, depth)
            x += step


def _poles(canvas: Canvas, light: Light, draw: Rng, horizon: float) -> None:
    """A row of utility poles up the slope, with wires continuing past the viewer."""
    side = draw.pick((-1.0, 1.0))
    nearness = [0.62**k for k in range(4)]
    town.pole_line(canvas, light, [(side * (0.1 + 0.52 * n), horizon + 0.62 * n, 1.05 * n) for n in nearness])
    x, foot, height = side * 0.62, horizon + 0.62, 1.05
    for reach, bar in town.INSULATORS:
        start = x + reach * height, foot - (1.0 - bar) * height
        town.wire(canvas, light, start, (x + side * 0.9, start[1] - 0.35), 0.06, 0.0032)

"""Scenes of mountains, lakes, fields and forests."""

import numpy as np

from drujax.data.scenes import air, land, trees
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, mix, rgb, season_of
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.sky import paint_sky
from drujax.data.scenes.water import water


def mountains(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Mountain ranges behind a wooded valley, with firs in front."""
    draw, season = rng.part("mountains"), season_of(rng)
    horizon = draw.uniform(0.5, 0.64)
    paint_sky(canvas, light, rng, horizon, (0, 3))
    air.birds(canvas, light, rng, horizon)
    land.ridges(canvas, light, rng, season, horizon - draw.uniform(0.22, 0.36), horizon + 0.1)
    for k in range(draw.count(1, 3)):
        rise, depth = draw.part(f"rise{k}"), 0.52 - 0.1 * k
        edge = land.meadow(canvas, light, rise, season, horizon + 0.05 + 0.065 * k, depth, 0.025)
        trees.woods(canvas, light, rise.part("woods"), season, edge + 0.012, 0.035 + 0.02 * k, depth - 0.04)
    edge = land.meadow(canvas, light, draw.part("slope"), season, draw.uniform(0.74, 0.84), 0.3, 0.06)
    firs = draw.part("firs")
    side = firs.pick((-1.0, 1.0))
    for k in range(firs.count(5, 11)):
        x = side * (0.08 + 1.1 * firs.uniform() ** 1.3)
        height = firs.uniform(0.12, 0.3) * (0.6 + 0.7 * abs(x))
        foot = float(np.interp(x, canvas.x, edge)) + 0.02 + 0.1 * k / 11
        trees.conifer(canvas, light, firs.part(str(k)), x, foot, height, season.conifer, 0.16)
    land.grass(canvas, light, draw.part("grass"), season, 0.93)
    air.drift(canvas, light, rng, season)


def lake(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A lake that reflects the mountains behind it."""
    draw, season = rng.part("lake"), season_of(rng)
    shore = draw.uniform(0.52, 0.64)
    sky = paint_sky(canvas, light, rng, shore, (0, 3))
    air.birds(canvas, light, rng, shore)
    land.ridges(canvas, light, rng, season, shore - draw.uniform(0.18, 0.34), shore + 0.03, 0.5)
    level = np.full_like(canvas.x, shore)
    bay = 0.05 * np.clip(2.0 * np.abs(canvas.x - draw.uniform(-0.3, 0.3)) - 0.25, 0.0, 1.2)
    canvas.ground(level - 0.6 * bay, light.shade(season.conifer, 0.5, 0.5))
    trees.woods(canvas, light, draw.part("far"), season, level - 0.5 * bay, draw.uniform(0.025, 0.05), 0.5)
    trees.woods(canvas, light, draw.part("near"), season, level + 0.002, draw.uniform(0.04, 0.08), 0.32)
    water(canvas, light, rng, sky, shore, still=draw.uniform(0.7, 1.0))
    side = draw.pick((-1.0, 1.0))
    bank = 0.97 - 0.2 * np.clip(side * canvas.x - draw.uniform(-0.1, 0.25), 0.0, 1.0) ** 0.8
    canvas.ground(bank.astype(np.float32), light.shade(season.grass * 0.9, 0.35))
    firs = draw.part("firs")
    for k in range(firs.count(1, 3), -1, -1):
        x = side * (0.16 + 0.17 * k + firs.uniform(-0.05, 0.05))
        foot = float(np.interp(x, canvas.x, bank)) + 0.03
        if draw.happens(0.6):
            trees.conifer(canvas, light, firs.part(str(k)), x, foot, firs.uniform(0.3, 0.75), season.conifer, 0.05)
        else:
            hue = firs.pick(season.foliage)
            trees.tree(canvas, light, firs.part(str(k)), x, foot, firs.uniform(0.3, 0.55), hue, 0.05)
    land.grass(canvas, light, draw.part("grass"), season, 0.94)
    air.drift(canvas, light, rng, season)


def meadow(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Fields under big clouds, a lone tree, a path."""
    draw, season = rng.part("meadow"), season_of(rng)
    horizon = draw.uniform(0.54, 0.7)
    paint_sky(canvas, light, rng, horizon, (2, 5))
    air.birds(canvas, light, rng, horizon)
    if draw.happens(0.7):
        land.ridges(canvas, light, rng, season, horizon - draw.uniform(0.06, 0.16), horizon + 0.03, 0.6)
    edge = land.meadow(canvas, light, draw.part("far"), season, horizon, 0.5, 0.015)
    trees.woods(canvas, light, draw.part("woods"), season, edge + 0.012, draw.uniform(0.025, 0.06), 0.4)
    roll, near = draw.uniform(0.015, 0.07), edge
    for k in range(draw.count(1, 2)):
        near = land.meadow(
            canvas, light, draw.part(f"near{k}"), season, horizon + 0.08 + 0.1 * k, 0.34 - 0.12 * k, roll
        )
        if draw.happens(0.4):
            trees.woods(canvas, light, draw.part(f"grove{k}"), season, near + 0.012, 0.06 + 0.03 * k, 0.28 - 0.1 * k)
    side = draw.pick((-1.0, 1.0))
    start = horizon + 0.08 + roll  # below the crest of the near field, which would hide it otherwise
    if draw.happens(0.75) and start < 0.74:
        land.path(canvas, light, draw.part("path"), season.soil, start, -side * draw.uniform(0.0, 0.25))
    elif draw.happens(0.5):
        land.fence(canvas, light, draw.part("fence"), near, draw.uniform(0.1, 0.16))
    lone = draw.part("trees")
    for k in range(lone.count(1, 3)):
        x, height = side * (0.12 + 0.24 * k + lone.uniform(0.0, 0.16)), lone.uniform(0.2, 0.5)
        foot = float(np.interp(x, canvas.x, near)) + 0.03 + 0.18 * height
        canvas.ellipse(
            (x + 0.1 * height, foot), 0.4 * height, 0.035 * height, light.shade(season.grass * 0.7, 0.0), 0.6
        )
        trees.tree(canvas, light, lone.part(str(k)), x, foot, height, lone.pick(season.foliage), 0.12)
    land.grass(canvas, light, draw.part("grass"), season, draw.uniform(0.88, 0.94))
    if draw.happens(0.25):
        trees.branches(canvas, light, draw.part("branches"), draw.pick(season.foliage), -side)
    air.drift(canvas, light, rng, season)


def forest(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Inside a forest: trunks from pale to dark, light falling through the leaves."""
    draw, season = rng.part("forest"), season_of(rng)
    ground = draw.uniform(0.62, 0.74)
    leaf, far = draw.pick(season.foliage), light.horizon
    glow = light.shade(mix(leaf, np.ones(3, np.float32), 0.35), 1.0, 0.6)[:, 0, 0]
    top = light.shade(leaf, 0.5, 0.35)[:, 0, 0]
    canvas.rgb += canvas.rows([0.0, 0.35, ground], np.stack([top, glow, mix(glow, far, 0.6)]))
    bark = draw.pick((rgb("7a5a4c"), rgb("8a6a58"), rgb("6f6a5c"), rgb("a89a8c")))
    light_x = draw.uniform(-0.35, 0.35)
    canvas.glow((light_x, 0.3), 0.9, np.clip(far * 1.2, 0, 1)[:, None, None], 0.75)
    for k in range(4):
        t = k / 3
        depth, foot = 0.85 - 0.75 * t, ground + 0.24 * t**1.4
        layer = draw.part(f"layer{k}")
        if k:
            earth = foot - 0.03 + 0.012 * land.fractal(layer.many(64), (canvas.x + 8.0) / 0.2, 4)
            canvas.ground(earth, light.shade(mix(season.grass, season.soil, 0.3), 0.7 - 0.25 * t, depth))
        else:
            land.meadow(canvas, light, layer, season, ground - 0.03, 0.8, 0.01)
        if k in (2, 3):
            _dapples(canvas, light, draw.part(f"dapples{k}"), mix(season.grass, season.soil, 0.2), foot, depth)
        trees.trunks(canvas, light, layer, bark, depth, foot, 0.012 + 0.075 * t**1.6, (34, 22, 13, 8)[k])
        if k in (1, 2):
            _canopy(canvas, light, layer, season, 0.05 + 0.05 * (2 - k), depth)
    _shafts(canvas, light, draw.part("shafts"), light_x, ground)
    _canopy(canvas, light, draw.part("canopy"), season, 0.02, 0.08)
    land.grass(canvas, light, draw.part("grass"), season, 0.94)


def _canopy(canvas: Canvas, light: Light, draw: Rng, season: Season, low: float, depth: float) -> None:
    """Leaves along the upper frame."""
    colour = draw.pick(season.foliage)
    for k in range(5):
        x = -1.2 + 0.6 * k + draw.uniform(-0.15, 0.15)
        size = (draw.uniform(0.3, 0.42), draw.uniform(0.12, 0.2))
        trees.crown(canvas, light, draw.part(str(k)), (x, low - 0.02), size, colour, depth, 14)


def _shafts(canvas: Canvas, light: Light, draw: Rng, x: float, ground: float) -> None:
    """Slanting light shafts."""
    lean = draw.uniform(-0.5, 0.5)
    colour = np.maximum(light.luminary, light.horizon)[:, None, None]
    for k in range(draw.count(3, 6)):
        a, wide = x + 0.16 * (k - 2) + draw.uniform(-0.06, 0.06), draw.uniform(0.015, 0.06)
        low = ground + draw.uniform(0.0, 0.2)
        corners = [(a, -0.1), (a + wide, -0.1), (a + 2.2 * wide + lean, low), (a + lean - wide, low)]
        canvas.polygon(corners, colour, draw.uniform(0.05, 0.16) * (0.4 + light.glow), soft=0.05)


def _dapples(canvas: Canvas, light: Light, draw: Rng, colour: np.ndarray, top: float, depth: float) -> None:
    """Flecks of light on the ground."""
    fleck = light.shade(np.clip(colour * 1.08, 0.0, 1.0), 1.0, 0.6 * depth)
    for a, b, c, d in draw.many(9, 4).tolist():
        size = 0.05 + 0.09 * c
        canvas.ellipse((2.4 * a - 1.2, top + 0.1 * b), size, (0.1 + 0.1 * d) * size, fleck, 0.6, soft=0.006)

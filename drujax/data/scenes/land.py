"""Land: ridges that fade into the distance, fields, grass, paths."""

import numpy as np

from drujax.data.scenes.canvas import Canvas, smoothstep
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, mix, rgb
from drujax.data.scenes.rng import Rng, field, fractal

SNOW = rgb("f6faff")
_SIDE = 2.0


def ridges(
    canvas: Canvas, light: Light, rng: Rng, season: Season, top: float, bottom: float, near: float = 0.4
) -> None:
    """Mountain ranges from far (pale) to near, each with mist at its foot."""
    draw = rng.part("ridges")
    count, alpine, wild = draw.count(2, 4), draw.happens(0.65), draw.uniform(0.6, 1.0)
    for k in range(count):
        t = k / (count - 1)
        middle = top + (bottom - top) * (0.25 + 0.65 * t)
        height = wild * (bottom - top) * (0.42 - 0.2 * t)
        paint = _alps if alpine and t < 0.9 else _hills
        paint(canvas, light, draw.part(str(k)), season, middle, height, 0.85 + (near - 0.85) * t)


def _alps(canvas: Canvas, light: Light, draw: Rng, season: Season, middle: float, height: float, depth: float) -> None:
    """An alpine range: lit and shaded faces, snow on the tops, mist at the foot."""
    lattice, wavelength = draw.many(3, 64), draw.uniform(0.4, 0.8)

    def rise(x: np.ndarray, octaves: int) -> np.ndarray:
        return height * fractal(lattice[0], (x + 8.0) / wavelength, octaves, 0.45, ridged=True)

    line = middle - rise(canvas.x, 7)
    where = canvas.below(float(line.min()))
    if where is None:
        return
    y = canvas.y[where[0]][:, None]
    down = y - line
    # A pixel has the slope of the crest above it, traced upwards along the lean of the face.
    grid = np.arange(-_SIDE, _SIDE, 0.004, dtype=np.float32)
    slope = np.gradient(rise(grid, 4), grid)
    lean = 0.45 * fractal(lattice[1], canvas.x * 5.0 + 30.0, 2)
    origin = canvas.x + down * lean + 0.15 * down
    lit = smoothstep(-0.25, 0.25, slope[np.clip(((origin + _SIDE) / 0.004).astype(np.int64), 0, grid.size - 1)])
    ragged = height * (0.25 + 0.16 * fractal(lattice[2], canvas.x * 14.0 + 40.0, 3))
    cap = season.snow * np.clip((ragged + (middle - 0.35 * height - y) * 0.9 + 0.05 * lit) / 0.008 + 0.5, 0.0, 1.0)
    fade = np.clip(down / (1.6 * height + 0.1), 0.0, 1.0)
    deep = np.clip(depth + 0.35 * fade, 0.0, 1.0)
    body = mix(light.shade(season.ridge, 0.15 + 0.6 * lit, deep), light.shade(SNOW, 0.1 + 0.9 * lit, 0.7 * deep), cap)
    full = np.zeros((3, *canvas.rgb.shape[1:]), np.float32)
    full[:, where[0], where[1]] = body
    canvas.ground(line, full)


def _hills(canvas: Canvas, light: Light, draw: Rng, season: Season, middle: float, height: float, depth: float) -> None:
    """A soft wooded range."""
    line = middle - 0.8 * height * fractal(draw.many(64), (canvas.x + 8.0) / draw.uniform(0.4, 0.7), 3, 0.3)
    line -= 0.006 * fractal(draw.many(64), (canvas.x + 8.0) / 0.03, 3, 0.6)
    head, foot = light.shade(season.ridge, 0.45, depth), light.shade(season.ridge, 0.75, min(depth + 0.3, 1.0))
    fade = np.clip((canvas.y - middle + height) / (2.0 * height + 0.12), 0.0, 1.0)[None, :, None]
    canvas.ground(line, mix(head, foot, fade))


def meadow(
    canvas: Canvas, light: Light, draw: Rng, season: Season, top: float, depth: float, sway: float = 0.03
) -> np.ndarray:
    """A field from its far edge, near the height `top`, to the lower frame; returns the edge's y per column."""
    line = top - sway * fractal(draw.many(32), (canvas.x + 8.0) / draw.uniform(0.5, 1.1), 2, 0.3)
    where = canvas.below(float(line.min()))
    if where is None:
        return line
    y = canvas.y[where[0]]
    away = np.clip((y - top + sway) / (1.05 - top), 0.02, 1.0)
    # Perspective: patches of grass grow towards the viewer.
    patches = field(draw.many(24, 32), 5.0 * np.log(away) + 40.0, 2.6 * canvas.x + 20.0)
    patches += 0.6 * field(draw.many(32, 48), 13.0 * np.log(away) + 60.0, 9.0 * canvas.x + 20.0)
    lit = 0.45 + 0.3 * smoothstep(-0.1, 0.1, patches) + 0.25 * smoothstep(0.5, 0.7, patches)
    colour = np.zeros((3, *canvas.rgb.shape[1:]), np.float32)
    colour[:, where[0], where[1]] = light.shade(season.grass, lit, (depth * (1.0 - away))[:, None])
    canvas.ground(line, colour)
    return line


def grass(canvas: Canvas, light: Light, draw: Rng, season: Season, top: float) -> None:
    """Blades of grass along the lower frame, with flowers."""
    x = canvas.x + 8.0
    tuft = 0.5 + 0.5 * fractal(draw.many(48), x / 0.16, 3)
    for k in range(3):
        blade = x * (31.0 + 7.0 * k) + 0.9 * fractal(draw.many(64), x / 0.07, 2)
        tall = 0.7 + 0.45 * fractal(draw.many(64), np.floor(blade) * 0.71, 1)
        sharp = 1.0 - np.abs(blade % 1.0 - 0.5) * 2.0
        rise = (0.02 + 0.04 * tuft) * tall * sharp + 0.025 * tuft
        tone = light.shade(season.grass * (0.98 - 0.07 * k), 0.75 - 0.28 * k)
        canvas.ground((top + 0.03 + 0.022 * k - rise).astype(np.float32), tone)
    for a, b, c, d in draw.many(26, 4).tolist():
        if season.blossom:
            colour = season.blossom[int(d * len(season.blossom))]
            size, y = 0.004 + 0.005 * b, top + 0.005 + (1.0 - top) * c
            canvas.ellipse((2.4 * a - 1.2, y), size, 0.8 * size, light.shade(colour, 0.95))


def path(canvas: Canvas, light: Light, draw: Rng, soil: np.ndarray, top: float, x: float) -> None:
    """A path that winds from the viewer to (x, top)."""
    away = np.clip((canvas.y - top) / (1.0 - top), 0.0, None)
    bend, start = draw.uniform(-0.18, 0.18), draw.uniform(-0.25, 0.25)
    middle = x + (start - x) * away**1.3 + bend * np.sin(np.clip(away, 0.0, 1.0) ** 0.7 * 2.0 * np.pi) * (0.25 + away)
    half = 0.004 + 0.13 * away**1.4
    canvas.spindle(top, 1.2, middle - 0.06 * half, half * 1.12, light.shade(soil * 0.85, 0.35))
    canvas.spindle(top, 1.2, middle, half, light.shade(soil, 0.9))


def fence(canvas: Canvas, light: Light, draw: Rng, edge: np.ndarray, down: float) -> None:
    """A wooden fence, `down` below a field's `edge` (one y per column)."""
    line = edge + np.float32(down)
    wood, step, height = rgb("e8ddcc"), draw.uniform(0.07, 0.1), draw.uniform(0.06, 0.08)
    rail, post = light.shade(wood, 0.75, 0.08), light.shade(wood, 0.95, 0.08)
    for up in (0.3, 0.72):
        canvas.curve(-1.2, 1.2, (line - up * height).astype(np.float32), 0.16 * height, rail)
    for x in np.arange(-1.2, 1.2, step).tolist():
        if canvas.sees(x, x):
            foot = float(np.interp(x, canvas.x, line))
            canvas.rect(x - 0.1 * height, foot - height, x + 0.1 * height, foot + 0.05 * height, post)

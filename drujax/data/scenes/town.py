"""Towns: houses, towers, windows that light up, poles and wires."""

import numpy as np

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.land import SNOW
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, mix, ramp, rgb
from drujax.data.scenes.rng import Rng

WALLS = tuple(ramp("f6efe2 efe3d2 e3ebee f1dfcf dfe5da f7f4ee ecd9c6 d9e2ec"))
ROOFS = tuple(ramp("b5624c 8f5550 58708f 4f7f86 7a6a86 9c7a5a c98a5e 5d6670"))
TOWERS = tuple(ramp("c3d3e0 d8dde2 aebfd0 e3d8cc c9c3d6 b4cdd2"))
GLASS = rgb("9fc3dc")
LIT = tuple(ramp("ffd98a ffe6b0 ffc873 fff0cc ffdf9a cfe6ff"))
INK = rgb("4a4656")
INSULATORS = ((0.12, 0.055), (-0.12, 0.055), (0.09, 0.125), (-0.09, 0.125))  # (x, distance from top) at pole height 1


def house(
    canvas: Canvas,
    light: Light,
    draw: Rng,
    season: Season,
    x: float,
    foot: float,
    size: float,
    depth: float,
) -> None:
    """A gabled house, `size` wide, showing its front and the long side of its roof."""
    if not canvas.sees(x - 0.7 * size, x + 0.7 * size):
        return
    wall, roof = draw.pick(WALLS), mix(draw.pick(ROOFS), SNOW, 0.85 * season.snow)
    side = draw.pick((-1.0, 1.0))
    storeys = draw.count(1, 2)
    front, long, high, rise = 0.42 * size, 0.58 * size, 0.34 * size * storeys, 0.24 * size
    a, b, c = x, x + side * front, x - side * long
    eave, ridge = foot - high, foot - high - rise
    peak, far = (a + b) / 2, (a + b) / 2 - side * long
    out = 0.035 * size
    canvas.polygon([(a, foot), (c, foot), (c, eave), (a, eave)], light.shade(wall, 0.95, depth))
    canvas.polygon([(a, foot), (b, foot), (b, eave), (peak, ridge), (a, eave)], light.shade(wall * 0.93, 0.3, depth))
    tiles = light.shade(roof, 0.85, depth)
    canvas.polygon(
        [(a + side * out, eave + out), (peak, ridge - out), (far, ridge - out), (c - side * out, eave + out)], tiles
    )
    under = light.shade(roof * 0.7, 0.1, depth)
    canvas.line((peak, ridge - out / 2), (b + side * out, eave + out), 0.05 * size, under)
    canvas.line((peak, ridge - out / 2), (a + side * out, eave + out), 0.03 * size, under)
    glass = light.shade(GLASS, 0.5, depth)
    for storey in range(storeys):
        top = foot - (storey + 1) * 0.34 * size + 0.1 * size
        for p, q in ((0.2, 0.44), (0.58, 0.82)):
            pane = light.lamp(glass, draw.pick(LIT), 0.95 * float(draw.happens(0.5)))
            left, right = sorted((a - side * long * p, a - side * long * q))
            _window(canvas, light, left, top, right, top + 0.15 * size, pane, depth, size)
        pane = light.lamp(glass, draw.pick(LIT), 0.95 * float(draw.happens(0.5)))
        left, right = sorted((a + side * front * 0.28, a + side * front * 0.72))
        _window(canvas, light, left, top, right, top + 0.15 * size, pane, depth, size)


def _window(
    canvas: Canvas,
    light: Light,
    left: float,
    top: float,
    right: float,
    bottom: float,
    pane: np.ndarray,
    depth: float,
    size: float,
) -> None:
    rim = 0.014 * size
    if rim < 0.3 * canvas.px:  # too fine to be seen
        canvas.rect(left, top, right, bottom, pane)
        return
    canvas.rect(left - rim, top - rim, right + rim, bottom + rim, light.shade(INK, 0.3, depth), 0.7)
    canvas.rect(left, top, right, bottom, pane)
    canvas.rect((left + right - rim) / 2, top, (left + right + rim) / 2, bottom, light.shade(INK, 0.3, depth), 0.6)


def tower(
    canvas: Canvas,
    light: Light,
    draw: Rng,
    box: tuple[float, float, float, float],
    depth: float,
    cell: float,
    share: float = 0.4,
) -> None:
    """A block with rows of windows in `box` (left, top, right, bottom); a fraction `share` of them is lit at night."""
    left, top, right, bottom = box
    if not canvas.sees(left, right):
        return
    wall = draw.pick(TOWERS)
    side = draw.uniform(0.2, 0.4)
    split = left + side * (right - left) if draw.happens(0.5) else right - side * (right - left)
    canvas.rect(left, top, right, bottom, light.shade(wall, 0.9, depth))
    shaded = (left, split) if split < (left + right) / 2 else (split, right)
    canvas.rect(shaded[0], top, shaded[1], bottom, light.shade(wall * 0.92, 0.15, depth))
    style = draw.count(0, 2)
    gap = cell * (0.45, 0.12, 0.3)[style]
    where = canvas.cells(left, top, right, bottom)
    columns, rows = max(int((right - left) / cell), 1), max(int((bottom - top) / (1.25 * cell)), 1)
    lattice = draw.many(rows, columns)
    hue = draw.pick(LIT)
    if where is None:
        return
    wide, tall = (right - left) / columns, (bottom - top) / rows
    across = _bars(canvas, canvas.x[where[1]] - left, wide, gap, right - left)
    down = _bars(canvas, canvas.y[where[0]] - top, tall, (0.5, 0.55, 0.2)[style] * tall, bottom - top)
    i = np.clip(((canvas.y[where[0]] - top) / tall).astype(np.int64), 0, rows - 1)
    j = np.clip(((canvas.x[where[1]] - left) / wide).astype(np.int64), 0, columns - 1)
    lit = (lattice < share).astype(np.float32)[i][:, j] * (0.55 + 0.45 * lattice[i][:, j] / share)
    glass = mix(light.shade(GLASS * 0.9, 0.4, depth), light.sky[2][:, None, None], 0.25)
    colour = mix(glass, np.maximum(hue[:, None, None], glass), light.burning * (1.0 - 0.45 * depth) * lit)
    canvas.blend(where, down[:, None] * across, colour)


def _bars(canvas: Canvas, along: np.ndarray, pitch: float, gap: float, length: float) -> np.ndarray:
    """Returns the coverage of periodic bars of width pitch - gap over 0..length."""
    half, width = canvas.px / 2, pitch - gap

    def filled(x: np.ndarray) -> np.ndarray:
        x = np.clip(x, 0.0, length)
        whole = np.floor(x / pitch)
        return whole * width + np.clip(x - whole * pitch - gap / 2, 0.0, width)

    return ((filled(along + half) - filled(along - half)) / canvas.px).astype(np.float32)


def skyline(
    canvas: Canvas, light: Light, draw: Rng, foot: float, height: float, depth: float, wide: float, share: float
) -> None:
    """A row of towers on `foot`, 0.35 to 1 times `height` tall and about `wide` each."""
    x = -1.25
    hump = draw.uniform(-0.4, 0.4)
    k = 0
    while x < 1.25:
        block = draw.part(str(k))
        k += 1
        w = wide * block.uniform(0.6, 1.4)
        tall = height * block.uniform(0.3, 0.75) * (0.65 + 0.6 * float(np.exp(-(((x - hump) / 0.4) ** 2))))
        tower(canvas, light, block, (x, foot - tall, x + w, foot), depth, 0.16 * wide + 0.004, share)
        roof = light.shade(INK, 0.4, max(depth, 0.1))
        if block.happens(0.35):
            middle = x + w * block.uniform(0.3, 0.7)
            canvas.line(
                (middle, foot - tall), (middle, foot - tall - 0.3 * wide * block.uniform(0.6, 1.6)), 0.02 * wide, roof
            )
        if block.happens(0.5):
            canvas.rect(
                x + 0.2 * w, foot - tall - 0.09 * wide, x + 0.6 * w, foot - tall, light.shade(TOWERS[0], 0.3, depth)
            )
        x += w * block.uniform(0.92, 1.25)


def pole(canvas: Canvas, light: Light, x: float, foot: float, height: float, depth: float) -> None:
    """A utility pole with two cross-arms and a transformer."""
    ink = light.shade(INK, 0.25, depth)
    thick = 0.02 * height
    top = foot - height
    canvas.rect(x - thick / 2, top, x + thick / 2, foot, ink)
    canvas.rect(x - thick / 2, top, x - thick / 5, foot, light.shade(INK * 1.5, 0.8, depth), 0.5)
    for down, reach in ((0.05, 0.13), (0.12, 0.1)):
        y = top + down * height
        canvas.rect(x - reach * height, y, x + reach * height, y + 0.6 * thick, ink)
    canvas.rect(x + 0.7 * thick, top + 0.16 * height, x + 3.2 * thick, top + 0.27 * height, ink)


def pole_line(canvas: Canvas, light: Light, posts: list[tuple[float, float, float]]) -> None:
    """Utility poles at `posts` (x, foot, height), nearest first, connected by wires."""
    for k in range(len(posts) - 1, -1, -1):
        x, foot, height = posts[k]
        if k + 1 < len(posts):
            ahead, ahead_foot, ahead_height = posts[k + 1]
            for reach, bar in INSULATORS:
                start = x + reach * height, foot - (1.0 - bar) * height
                end = ahead + reach * ahead_height, ahead_foot - (1.0 - bar) * ahead_height
                wire(canvas, light, start, end, 0.03 * height, 0.0029 * 0.76**k)
        pole(canvas, light, x, foot, height, 0.02 + 0.07 * k)


def wire(
    canvas: Canvas, light: Light, start: tuple[float, float], end: tuple[float, float], sag: float, width: float
) -> None:
    """A sagging wire between two points."""
    (x0, y0), (x1, y1) = sorted((start, end))
    t = np.clip((canvas.x - x0) / max(x1 - x0, 1e-6), 0.0, 1.0)
    hang = y0 + (y1 - y0) * t + 4.0 * sag * t * (1.0 - t)
    canvas.curve(x0, x1, hang.astype(np.float32), width, light.shade(INK, 0.2, 0.1))

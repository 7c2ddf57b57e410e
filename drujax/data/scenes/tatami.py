"""A tatami room with sliding doors open to a garden."""

import numpy as np

from drujax.data.scenes import land, trees
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.interior import CLOTHS, PAPER, WALLS, WOODS, Painter, Room, upright
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix, rgb, season_of
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.sky import paint_sky
from drujax.data.scenes.town import GLASS, INK, LIT


def tatami(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A tatami room with sliding doors open to a garden."""
    draw, season = rng.part("tatami"), season_of(rng)
    wall, wood = mix(draw.pick(WALLS), rgb("e8d8b0"), 0.4), draw.pick(WOODS) * 0.85
    room = Room((draw.uniform(-0.1, 0.1), draw.uniform(0.44, 0.5)), 0.95, 0.6, 0.62, draw.uniform(1.5, 1.9))
    paint = Painter(canvas, light, room)
    straw = draw.pick((rgb("d9d39a"), rgb("cfd09c"), rgb("e2d3a0")))
    paint.shell(wall, straw, 1)
    z, w, f = room.back, room.half, room.floor
    _mats(paint, straw)
    top = -draw.uniform(0.34, 0.42)
    opening = draw.uniform(0.4, 0.55)
    a = draw.uniform(-0.15, 0.15) - opening
    b = a + 2 * opening

    def garden(piece: Canvas) -> None:
        horizon = room.vanish[1]
        paint_sky(piece, light, rng, horizon + 0.02, (1, 2))
        level = np.full_like(piece.x, horizon)
        trees.woods(piece, light, draw.part("hedge"), season, level + 0.08, 0.16, 0.4)
        land.meadow(piece, light, draw.part("lawn"), season, horizon + 0.07, 0.3, 0.01)
        middle = room.at((a + b) / 2, 0.0, z)[0] + draw.uniform(-0.12, 0.12)
        for k in range(5):
            y, away = horizon + 0.12 + 0.05 * k, 0.5 + 0.25 * k
            stone = middle + 0.12 - 0.02 * k + 0.02 * (-1) ** k, y
            piece.ellipse(stone, 0.03 * away, 0.011 * away, light.shade(rgb("d8d4cc"), 0.8, 0.1))
        trees.tree(piece, light, draw.part("tree"), middle, horizon + 0.13, 0.42, draw.pick(season.foliage), 0.15)

    paint.face(wood, 0.5, (a, f, z), (b, f, z), (b, f - 0.012, z), (a, f - 0.012, z))
    paint.windows([upright(a, b, top, f - 0.01, z)], garden)
    for k, lit in ((0.0, 0.75), (0.04, 1.0)):
        paint.face(
            straw,
            lit,
            (a + k, f, z),
            (b - k, f, z),
            (b - 0.25, f, 0.55 * z + k),
            (a - 0.25, f, 0.55 * z + k),
            opacity=0.75,
        )
    for left, right in ((-w, a), (b, w)):
        count = max(int(round((right - left) / 0.45)), 1)
        for k in range(count):
            _shoji(paint, wood, left + (right - left) * k / count, left + (right - left) * (k + 1) / count, top, f, z)
    paint.face(wood * 0.8, 0.3, *upright(-w, w, top - 0.045, top, z))
    paint.ink((-w, top, z), (w, top, z), 0.004, 0.6)
    for x in (-w + 0.015, w - 0.015):
        paint.face(wood * 0.7, 0.2, *upright(x - 0.02, x + 0.02, -room.ceiling, f, z))
    _low_table(paint, draw.part("table"), wood)
    lamp = room.at(0.0, -0.3, 0.62 * z)
    paint.fall_off(room.at((a + b) / 2, 0.1, z), (lamp[0], lamp[1] + 0.2))
    _hanging_lamp(canvas, light, lamp)


def _mats(paint: Painter, straw: np.ndarray) -> None:
    w, f, z = paint.room.half, paint.room.floor, paint.room.back
    near = 0.3
    for k in range(-3, 4):
        x = w * k / 3
        paint.ink((x, f, near), (x, f, z), 0.012, 0.35)
    for k in range(4):
        zz = z - (0.5 + k) * 0.42
        if zz > near:
            paint.ink((-w, f, zz), (w, f, zz), 0.006 / zz, 0.4)
        if k % 2 and zz > near:
            paint.face(
                straw * 0.95,
                0.35,
                (-w, f, zz),
                (0.0, f, zz),
                (0.0, f, max(zz - 0.42, near)),
                (-w, f, max(zz - 0.42, near)),
                opacity=0.5,
            )


def _shoji(paint: Painter, wood: np.ndarray, left: float, right: float, top: float, bottom: float, z: float) -> None:
    """A paper sliding door; it glows with the light from outside and stays pale by lamplight."""
    paint.face(PAPER, 0.85, *upright(left, right, top, bottom, z))
    paint.face(wood, 0.3, *upright(left, right, bottom - 0.16, bottom, z))
    for k in range(5):
        x = left + (right - left) * k / 4
        paint.ink((x, top, z), (x, bottom, z), 0.009 if k in (0, 4) else 0.003, 0.75)
    for k in range(6):
        y = top + (bottom - 0.16 - top) * k / 5
        paint.ink((left, y, z), (right, y, z), 0.003, 0.7)


def _low_table(paint: Painter, draw: Rng, wood: np.ndarray) -> None:
    f, x, z = paint.room.floor, draw.uniform(-0.25, 0.25), draw.uniform(0.9, 1.05)
    top = f - 0.2
    for cushion in (-0.42, 0.5):
        paint.box(draw.pick(CLOTHS), (x + cushion - 0.13, x + cushion + 0.13), (f - 0.03, f), (z, z + 0.22))
    for leg in (-0.26, 0.22):
        paint.box(wood * 0.6, (x + leg, x + leg + 0.04), (top, f), (z + 0.02, z + 0.06))
    paint.box(wood * 0.8, (x - 0.3, x + 0.3), (top, top + 0.035), (z, z + 0.28))
    paint.face(rgb("f3efe6"), 0.7, *upright(x + 0.05, x + 0.1, top - 0.06, top, z + 0.1))
    paint.face(rgb("6f9a8a"), 0.5, *upright(x - 0.12, x - 0.05, top - 0.045, top, z + 0.14))


def _hanging_lamp(canvas: Canvas, light: Light, at: tuple[float, float]) -> None:
    x, y = at
    canvas.line((x, -0.1), (x, y), 0.006, light.room(INK, 0.2))
    shade = light.lamp(light.room(mix(PAPER, GLASS, 0.1), 0.5), rgb("fff1c8"))
    canvas.polygon([(x - 0.04, y), (x + 0.04, y), (x + 0.12, y + 0.07), (x - 0.12, y + 0.07)], shade)
    canvas.rect(x - 0.12, y + 0.065, x + 0.12, y + 0.08, light.room(INK, 0.4))
    canvas.glow((x, y + 0.08), 0.6, LIT[0][:, None, None], 0.5 * light.burning * max(light.pool, 0.15))

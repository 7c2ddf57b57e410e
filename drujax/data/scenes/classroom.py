"""A classroom: rows of desks, windows along one side, a blackboard."""

import numpy as np

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.interior import CLOTHS, PAPER, WALLS, WOODS, Painter, Room, outlook, upright
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix, rgb
from drujax.data.scenes.rng import Rng


def classroom(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Rows of desks, windows all along one side, a blackboard."""
    draw = rng.part("classroom")
    wall, wood = draw.pick(WALLS), draw.pick(WOODS)
    side = draw.pick((-1.0, 1.0))
    vanish = -side * draw.uniform(0.06, 0.18), draw.uniform(0.4, 0.48)
    room = Room(vanish, 0.74, 0.66, 0.62, draw.uniform(2.0, 2.4))
    paint = Painter(canvas, light, room)
    paint.shell(wall, wood, 18)
    z, w, f = room.back, room.half, room.floor
    top, sill, pitch = -0.5, 0.1, 0.46
    x = side * w
    panes, starts = [], [0.46 + pitch * k for k in range(int((z - 0.6) / pitch))]
    for start in starts:
        a, b = start, start + 0.4
        patch = [(x - side * (0.1 + 0.34 * k), f, zz + 0.24 * k) for k, zz in ((0, a), (0, b), (2, b), (2, a))]
        paint.face(wood, 0.95, *patch, opacity=0.8)
        panes.append(((x, top, a), (x, top, b), (x, sill, b), (x, sill, a)))
    paint.windows(panes, outlook(light, rng, room.vanish[1] + 0.04))
    for start in starts:
        for zz, thick in ((start, 0.007), (start + 0.2, 0.005), (start + 0.4, 0.007)):
            paint.ink((x, top, zz), (x, sill, zz), thick / zz, 0.85)
        for y in (top, 0.55 * top, sill):
            paint.ink((x, y, start), (x, y, start + 0.4), 0.005, 0.7)
    _board(paint, draw.part("board"), z)
    _panels(paint, z)
    chair = draw.pick(CLOTHS)
    for row in range(4, -1, -1):
        zz = 0.86 + 0.32 * row
        if zz < z - 0.3:
            for column in sorted((-0.62, -0.28, 0.06, 0.4), key=lambda c: -abs(c)):
                _school_desk(paint, wood, chair, column, zz)
    paint.fall_off(room.at(x, -0.1, 1.1), (room.vanish[0], 0.1))
    canvas.glow((room.vanish[0], 0.02), 0.8, rgb("fff4d8")[:, None, None], 0.2 * light.burning * light.pool)


def _board(paint: Painter, draw: Rng, z: float) -> None:
    wide = draw.uniform(0.46, 0.56)
    paint.face(WOODS[3], 0.4, *upright(-wide - 0.03, wide + 0.03, -0.31, 0.15, z))
    green = draw.pick((rgb("4f8372"), rgb("3f6a5c"), rgb("587a88")))
    paint.face(green, 0.5, *upright(-wide, wide, -0.28, 0.11, z))
    paint.face(
        green * 1.15,
        0.6,
        (-0.6 * wide, -0.28, z),
        (-0.2 * wide, -0.28, z),
        (-0.5 * wide, 0.11, z),
        (-0.9 * wide, 0.11, z),
        opacity=0.5,
    )
    for k in range(draw.count(2, 4)):
        a, y = draw.uniform(-0.9, 0.2) * wide, -0.2 + 0.08 * k
        paint.canvas.line(
            paint.room.at(a, y, z),
            paint.room.at(a + draw.uniform(0.15, 0.6) * wide, y, z),
            0.006,
            paint.light.room(PAPER, 0.5),
            0.5,
        )
    paint.face(PAPER, 0.5, *upright(-0.06, 0.06, -0.5, -0.38, z))
    paint.ink((0.0, -0.44, z), (0.0, -0.48, z), 0.004, 0.9)
    paint.box(WOODS[0], (-0.22, 0.22), (0.24, 0.6), (z - 0.4, z - 0.2))


def _panels(paint: Painter, z: float) -> None:
    """Draws the light panels on the ceiling."""
    c = -paint.room.ceiling
    for x in (-0.32, 0.32):
        for k in range(3):
            near = 0.7 + 0.55 * k
            corners = [
                paint.room.at(*p)
                for p in (
                    (x - 0.06, c, near),
                    (x + 0.06, c, near),
                    (x + 0.06, c, near + 0.34),
                    (x - 0.06, c, near + 0.34),
                )
            ]
            lit = paint.light.pool * paint.light.burning
            glass = mix(paint.light.room(PAPER, 0.7), np.ones((3, 1, 1), np.float32), lit)
            paint.canvas.polygon(corners, glass)
            if lit:
                paint.mark(corners)


def _school_desk(paint: Painter, wood: np.ndarray, chair: np.ndarray, x: float, z: float) -> None:
    f, wide = paint.room.floor, 0.22
    steel = rgb("8d97a4")
    top = f - 0.3
    for leg in (0.01, wide - 0.025):
        paint.face(steel, 0.3, *upright(x + leg, x + leg + 0.015, top, f, z + 0.14))
        paint.face(steel, 0.5, *upright(x + leg, x + leg + 0.015, top, f, z))
    paint.box(mix(wood, PAPER, 0.15), (x, x + wide), (top, top + 0.05), (z, z + 0.17))
    a, b, near = x + 0.05, x + wide - 0.05, z - 0.12
    for leg in (a, b - 0.012):
        paint.face(steel, 0.4, *upright(leg, leg + 0.012, f - 0.36, f, near))
    paint.box(chair * 0.95, (a, b), (f - 0.18, f - 0.155), (near, near + 0.12))
    paint.box(chair, (a, b), (f - 0.38, f - 0.28), (near - 0.01, near))

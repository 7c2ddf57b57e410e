"""A bedroom: desk under the window, bed, shelves, lamp."""

import numpy as np

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.interior import BOOKS, CLOTHS, PAPER, WALLS, WOODS, Painter, Room, outlook, upright
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix, rgb
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.town import INK


def bedroom(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A desk under the window, a bed, shelves, a lamp."""
    draw = rng.part("bedroom")
    wall, wood, cloth = draw.pick(WALLS), draw.pick(WOODS), draw.pick(CLOTHS)
    room = Room((draw.uniform(-0.12, 0.12), draw.uniform(0.42, 0.5)), 0.76, 0.62, 0.6, draw.uniform(1.45, 1.7))
    paint = Painter(canvas, light, room)
    paint.shell(wall, wood)
    side, z, f = draw.pick((-1.0, 1.0)), room.back, room.floor
    middle, wide = -side * draw.uniform(0.04, 0.2), draw.uniform(0.3, 0.4)
    top, sill = -draw.uniform(0.4, 0.5), draw.uniform(0.1, 0.2)
    for k, lit in ((0.0, 0.7), (0.03, 0.95)):  # the window's light on the floor
        a, b = middle - wide + k - 0.1 * side, middle + wide - k - 0.1 * side
        corners = (
            (a, f, 0.96 * z - k),
            (b, f, 0.96 * z - k),
            (b - 0.3 * side, f, 0.62 * z + k),
            (a - 0.3 * side, f, 0.62 * z + k),
        )
        paint.face(wood, lit, *corners, opacity=0.75)
    rim = 0.025
    paint.face(PAPER, 0.7, *upright(middle - wide - rim, middle + wide + rim, top - rim, sill + rim, z))
    paint.windows([upright(middle - wide, middle + wide, top, sill, z)], outlook(light, rng, room.vanish[1] + 0.02))
    for x in (middle - wide * 0.02, middle + wide * 0.02):
        paint.face(PAPER, 0.4, *upright(x - 0.012, x + 0.012, top, sill, z))
    paint.face(PAPER, 0.4, *upright(middle - wide, middle + wide, 0.6 * top - 0.012, 0.6 * top + 0.012, z))
    _curtains(paint, draw.part("curtains"), cloth, middle, wide, top, z)
    _pictures(paint, draw.part("pictures"), middle + side * (wide + 0.3), z)
    _desk(paint, draw.part("desk"), wood, middle, z)
    _shelf(paint, draw.part("shelf"), wood, -side)
    _bed(paint, draw.part("bed"), cloth, wood, side)
    lamp = room.at(middle + 0.3 * draw.pick((-1.0, 1.0)), 0.1, z - 0.2)
    paint.fall_off(room.at(middle, (top + sill) / 2, z), lamp)
    _desk_lamp(canvas, light, lamp, 0.16)


def _curtains(paint: Painter, draw: Rng, cloth: np.ndarray, middle: float, wide: float, top: float, z: float) -> None:
    bottom, out = draw.uniform(0.22, 0.32), 0.06
    for side in (-1.0, 1.0):
        reach = draw.uniform(0.12, 0.2)
        for k in range(5):
            a = middle + side * (wide + out - reach * k / 5)
            b = middle + side * (wide + out - reach * (k + 1) / 5)
            hang = bottom - 0.012 * (k % 2)
            fold = (0.35, 0.9, 0.6, 1.0, 0.75)[k]
            paint.face(mix(cloth, PAPER, 0.45), fold, *upright(min(a, b), max(a, b), top - 0.05, hang, z - 0.01))
    paint.ink((middle - wide - 0.1, top - 0.055, z), (middle + wide + 0.1, top - 0.055, z), 0.008, 0.8)


def _pictures(paint: Painter, draw: Rng, x: float, z: float) -> None:
    """One to three pictures on the wall around x."""
    for k in range(draw.count(1, 3)):
        w, h = draw.uniform(0.05, 0.1), draw.uniform(0.06, 0.11)
        a, y = x + 0.2 * (k - 1) + draw.uniform(-0.03, 0.03), -0.22 + draw.uniform(-0.06, 0.06)
        paint.face(INK, 0.5, *upright(a - w, a + w, y - h, y + h, z))
        paint.face(draw.pick(CLOTHS), 0.5, *upright(a - 0.86 * w, a + 0.86 * w, y - 0.86 * h, y + 0.86 * h, z))
        paint.face(draw.pick(CLOTHS), 0.3, *upright(a - 0.86 * w, a + 0.86 * w, y + 0.2 * h, y + 0.86 * h, z))


def _desk(paint: Painter, draw: Rng, wood: np.ndarray, x: float, z: float) -> None:
    """A desk against the far wall, with books and a cup."""
    f, half, top, front = paint.room.floor, draw.uniform(0.36, 0.42), 0.26, z - 0.36
    board = mix(wood, draw.pick(WOODS), 0.6) * 0.96
    paint.box(board * 0.9, (x - half, x - half + 0.24), (top + 0.03, f), (front + 0.04, z))
    paint.box(board * 0.9, (x + half - 0.05, x + half), (top + 0.03, f), (front + 0.04, z))
    for k in range(3):
        y = top + 0.05 + 0.1 * k
        paint.ink((x - half, y + 0.09, front + 0.04), (x - half + 0.24, y + 0.09, front + 0.04), 0.003)
    paint.box(board, (x - half - 0.03, x + half + 0.03), (top, top + 0.035), (front, z))
    at = x - half + 0.03
    for k in range(draw.count(4, 7)):
        thick, tall = draw.uniform(0.02, 0.04), draw.uniform(0.09, 0.15)
        paint.face(draw.pick(BOOKS), 0.3 + 0.3 * (k % 2), *upright(at, at + thick, top - tall, top, z - 0.1))
        at += thick
    paint.face(
        PAPER,
        0.9,
        (x + 0.02, top, front + 0.06),
        (x + 0.2, top, front + 0.08),
        (x + 0.2, top, front + 0.2),
        (x + 0.02, top, front + 0.2),
    )
    seat = draw.pick(CLOTHS) * 0.9
    paint.box(seat, (x - 0.02, x + 0.2), (f - 0.26, f - 0.21), (front - 0.2, front - 0.02))
    for leg in (0.0, 0.16):
        paint.box(board * 0.7, (x + leg, x + leg + 0.02), (f - 0.21, f), (front - 0.2, front - 0.18))
    paint.box(seat, (x - 0.01, x + 0.19), (f - 0.52, f - 0.32), (front - 0.21, front - 0.19))


def _shelf(paint: Painter, draw: Rng, wood: np.ndarray, side: float) -> None:
    """A bookcase along a side wall, with its books facing the room."""
    w, f, near = paint.room.half, paint.room.floor, 1.02
    far, depth, top = near + 0.4, 0.16, -draw.uniform(0.2, 0.42)
    inner, outer = side * (w - depth), side * w
    paint.box(wood * 0.95, (min(inner, outer), max(inner, outer)), (top, f), (near, far))
    x = side * (w - depth - 0.002)
    rows = 4
    for row in range(rows):
        y0, y1 = top + (f - top) * row / rows + 0.03, top + (f - top) * (row + 1) / rows - 0.02
        paint.face(
            wood * 0.5, 0.0, (x, y0, near + 0.03), (x, y0, far - 0.03), (x, y1, far - 0.03), (x, y1, near + 0.03)
        )
        z = near + 0.035
        while z < far - 0.06:
            thick, tall = draw.uniform(0.02, 0.045), draw.uniform(0.6, 0.92)
            y = y1 - (y1 - y0) * tall
            paint.face(draw.pick(BOOKS), 0.45, (x, y, z), (x, y, z + thick), (x, y1, z + thick), (x, y1, z))
            z += thick + (0.08 if draw.happens(0.12) else 0.002)


def _bed(paint: Painter, draw: Rng, cloth: np.ndarray, wood: np.ndarray, side: float) -> None:
    """A bed along a side wall, with its foot towards the viewer."""
    w, f, z = paint.room.half, paint.room.floor, paint.room.back
    a, b = sorted((side * w, side * (w - 0.4)))
    near = 0.78
    paint.box(wood * 0.85, (a, b), (f - 0.46, f - 0.05), (z - 0.1, z - 0.05))
    paint.box(wood * 0.85, (a, b), (f - 0.16, f), (near, z - 0.1))
    paint.box(PAPER, (a + 0.01, b - 0.01), (f - 0.27, f - 0.16), (near + 0.02, z - 0.1))
    paint.box(mix(cloth, PAPER, 0.2), (a, b), (f - 0.29, f - 0.14), (near, z - 0.42))
    paint.box(mix(cloth, PAPER, 0.65), (a, b), (f - 0.3, f - 0.26), (z - 0.5, z - 0.42))
    paint.box(PAPER, (a + 0.08, b - 0.08), (f - 0.34, f - 0.27), (z - 0.3, z - 0.14))


def _desk_lamp(canvas: Canvas, light: Light, at: tuple[float, float], size: float) -> None:
    """A lamp with its shade above `at`."""
    x, y = at
    ink = light.room(INK, 0.4)
    canvas.line((x, y + 0.45 * size), (x, y - 0.2 * size), 0.07 * size, ink)
    canvas.ellipse((x, y + 0.47 * size), 0.26 * size, 0.06 * size, ink)
    shade = light.lamp(light.room(rgb("f4e6c8"), 0.6), rgb("fff0c0"))
    canvas.polygon(
        [
            (x - 0.2 * size, y - 0.5 * size),
            (x + 0.2 * size, y - 0.5 * size),
            (x + 0.36 * size, y),
            (x - 0.36 * size, y),
        ],
        shade,
    )
    warm = rgb("ffcf80")[:, None, None]
    canvas.glow((x, y), 3.6 * size, warm, 0.55 * light.burning)
    canvas.glow((x, y), 1.4 * size, warm, 0.6 * light.burning)

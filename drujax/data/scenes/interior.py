"""Perspective and illumination of rooms: shell, windows, boxes of furniture, lamps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drujax.data.scenes import land, trees
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix, ramp, rgb, season_of
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.sky import paint_sky
from drujax.data.scenes.town import INK, skyline

PAPER = rgb("fffdf6")
WALLS = tuple(ramp("f6efe0 efe6d6 e6edf0 f3e3dc e4ecdc ece6f2 f8f2e8"))
WOODS = tuple(ramp("d3a574 c9976a e2bf90 b5835c cfae8a"))
CLOTHS = tuple(ramp("e58f83 7fa8d2 8dbf9a e9c46e b89ad2 f0ece2 6f8fb4"))
BOOKS = tuple(ramp("c85f55 5f86b8 78a878 d8b25e 8f6fa8 e8e2d4 d08a5c 546078"))

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """A box in one-point perspective, measured at z = 1: half width, floor below and ceiling above eye level."""

    vanish: tuple[float, float]
    half: float
    floor: float
    ceiling: float
    back: float  # z of the far wall

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Projects a point; y is measured downwards from eye level, z away from the viewer."""
        return self.vanish[0] + x / z, self.vanish[1] + y / z


class Painter:
    """Paints a room: flat faces in perspective with inked edges, windows, and light fall-off."""

    def __init__(self, canvas: Canvas, light: Light, room: Room):
        self.canvas, self.light, self.room = canvas, light, room
        self._bright = np.zeros(canvas.rgb.shape[1:], np.float32)  # windows and lamps, exempt from the fall-off

    def face(self, colour: np.ndarray, lit: float, *points: Point, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Draws a flat convex face."""
        corners = [self.room.at(*point) for point in points]
        self.canvas.polygon(corners, self.light.room(colour, lit), opacity, soft)

    def ink(self, start: Point, end: Point, width: float = 0.004, opacity: float = 0.45) -> None:
        """Draws an ink line."""
        self.canvas.line(self.room.at(*start), self.room.at(*end), width, self.light.room(INK, 0.1), opacity)

    def box(self, colour: np.ndarray, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> None:
        """Draws the visible faces of a block."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        if y0 > 0:
            self.face(colour, 0.8, (x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1))
        if x1 < 0 or x0 > 0:
            side = x1 if x1 < 0 else x0
            self.face(colour * 0.8, 0.1, (side, y0, z0), (side, y0, z1), (side, y1, z1), (side, y1, z0))
            self.ink((side, y0, z1), (side, y0, z0), 0.002)
        self.face(colour * 0.93, 0.35, (x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0))
        self.ink((x0, y0, z0), (x1, y0, z0), 0.0025)

    def shell(self, wall: np.ndarray, wood: np.ndarray, boards: int = 14) -> None:
        """Draws ceiling, walls and floor, with floorboards and skirting."""
        near, far = 0.3, self.room.back
        w, f, c = self.room.half, self.room.floor, -self.room.ceiling
        skirt = f - 0.04
        self.face(mix(wall, PAPER, 0.5), 0.15, (-w, c, near), (w, c, near), (w, c, far), (-w, c, far))
        self.face(wood, 0.35, (-w, f, near), (w, f, near), (w, f, far), (-w, f, far))
        for k in range(1, boards):
            x = -w + 2 * w * k / boards
            self.ink((x, f, near), (x, f, far), 0.003, 0.18)
        self.face(wall, 0.4, (-w, c, far), (w, c, far), (w, f, far), (-w, f, far))
        self.face(wood * 0.85, 0.25, (-w, skirt, far), (w, skirt, far), (w, f, far), (-w, f, far))
        for x, lit in ((-w, 0.05), (w, 0.25)):
            self.face(wall * 0.96, lit, (x, c, near), (x, c, far), (x, f, far), (x, f, near))
            self.face(wood * 0.85, lit, (x, skirt, near), (x, skirt, far), (x, f, far), (x, f, near))
            self.ink((x, c, far), (x, f, far), 0.003, 0.3)
            self.ink((x, c, near), (x, c, far), 0.003, 0.3)
        self.ink((-w, c, far), (w, c, far), 0.003, 0.3)

    def windows(self, panes: list[tuple[Point, ...]], view: Callable[[Canvas], None]) -> None:
        """Draws panes of glass that share one `view` (a function that paints a canvas)."""
        corners = [[self.room.at(*point) for point in pane] for pane in panes]
        every = np.array([point for pane in corners for point in pane])
        where = self.canvas.cells(*every.min(0).tolist(), *every.max(0).tolist())
        if where is None:
            return
        piece = self.canvas.part(where)
        view(piece)
        scene = np.zeros_like(self.canvas.rgb)
        scene[:, where[0], where[1]] = piece.rgb
        for pane in corners:
            self.canvas.polygon(pane, scene)
            self.mark(pane)

    def mark(self, corners: list[tuple[float, float]]) -> None:
        """Exempts a light source from the fall-off."""
        mask = self.canvas.part((slice(None), slice(None)))
        mask.polygon(corners, np.ones((3, 1, 1), np.float32))
        np.maximum(self._bright, mask.rgb[0], out=self._bright)

    def fall_off(self, source: tuple[float, float], lamp: tuple[float, float]) -> None:
        """Darkens the room with the distance from its window at `source` or, by lamplight, from the `lamp`."""
        x, y = self.canvas.x, self.canvas.y[:, None]
        away = np.sqrt((x - source[0]) ** 2 + (y - source[1]) ** 2)
        near = np.exp(-((x - lamp[0]) ** 2 + 1.3 * (y - lamp[1]) ** 2) / 0.22)
        field = 1.0 - self.light.window * np.clip(1.3 * (away - 0.12), 0.0, 1.0)
        field *= 1.0 - self.light.pool * (0.5 - 0.72 * near)
        # In blue shade a lamp also tints its surroundings in its warm colour.
        warm = rgb("ffb868")[:, None, None] * (2.2 * self.light.burning * (1.0 - self.light.pool) * near)
        self.canvas.rgb *= 1.0 + (field * (1.0 + warm) - 1.0) * (1.0 - self._bright)


def upright(left: float, right: float, top: float, bottom: float, z: float) -> tuple[Point, Point, Point, Point]:
    """Returns the corners of a rectangle that faces the viewer at `z`."""
    return (left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)


def outlook(light: Light, rng: Rng, horizon: float) -> Callable[[Canvas], None]:
    """Returns a painter of the view from a window: sky, a town or hills, trees."""

    def paint(canvas: Canvas) -> None:
        draw, season = rng.part("view"), season_of(rng)
        paint_sky(canvas, light, rng, horizon, (1, 3))
        level = np.full_like(canvas.x, horizon)
        if draw.happens(0.5):
            skyline(canvas, light, draw.part("city"), horizon + 0.1, 0.3, 0.6, 0.06, 0.4)
        else:
            land.ridges(canvas, light, draw, season, horizon - 0.12, horizon + 0.04, 0.6)
        trees.woods(canvas, light, draw.part("woods"), season, level + 0.07, 0.09, 0.35)
        canvas.ground(level + 0.07, light.shade(season.grass, 0.6, 0.3))

    return paint

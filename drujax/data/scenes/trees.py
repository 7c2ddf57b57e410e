"""Trees: distant woods, conifers, leafy crowns, branches that frame the view, forest trunks."""

import numpy as np

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import Season, mix, rgb
from drujax.data.scenes.puffs import heap, tones
from drujax.data.scenes.rng import Rng, fractal

BARK = rgb("7a5a4c")


def woods(
    canvas: Canvas, light: Light, draw: Rng, season: Season, ground: np.ndarray, height: float, depth: float
) -> None:
    """A distant row of trees on `ground` (one y per column), in three tones from the tops down."""
    spiky = draw.happens(0.4)
    colour = season.conifer if spiky else draw.pick(season.foliage)
    wide = height * (0.35 if spiky else 0.75)
    for k, lit in enumerate((0.95, 0.55, 0.15)):
        tree = canvas.x + 8.0 + draw.uniform()
        t = np.abs((tree / wide) % 1.0 - 0.5) * 2.0
        tall = 0.75 + 0.3 * fractal(draw.many(64), np.floor(tree / wide) * 0.73, 1)
        shape = 1.0 - t**1.2 if spiky else np.sqrt(np.clip(1.0 - 0.8 * t * t, 0.0, 1.0))
        crowns = tall * shape + 0.12 * fractal(draw.many(64), tree / wide * 3.0, 3, 0.6)
        tops = ground - height * (crowns * (1.0 - 0.16 * k) - 0.34 * k)
        canvas.band(np.minimum(tops, ground), ground, light.shade(colour, lit, depth))


def conifer(
    canvas: Canvas, light: Light, draw: Rng, x: float, foot: float, height: float, colour: np.ndarray, depth: float
) -> None:
    """A fir: tiers of boughs, with the lit side drawn over the shaded one."""
    if not canvas.sees(x - 0.4 * height, x + 0.4 * height):
        return
    trunk = light.shade(BARK * 0.8, 0.3, depth)
    canvas.rect(x - 0.018 * height, foot - 0.12 * height, x + 0.018 * height, foot, trunk)
    t = np.clip((canvas.y - foot + height) / (0.94 * height), 0.0, 1.0)
    tiers, width = draw.count(6, 9), draw.uniform(0.18, 0.25) * height
    tier = (t**0.85 * tiers) % 1.0
    under = min(max(1.2 * tiers * canvas.px / height, 0.02), 0.5)  # at least about a pixel, to avoid aliasing
    saw = np.minimum(tier, (1.0 - tier) * (1.0 - under) / under)
    jag = 0.1 * fractal(draw.many(64), (t * 9.0 + 3.0).astype(np.float32), 2)
    half = width * t**0.9 * (0.5 + 0.5 * saw + jag)
    middle = np.full_like(half, x)
    top, bottom = foot - height, foot - 0.06 * height
    canvas.spindle(top, bottom, middle, half, light.shade(colour * 0.8, 0.1, depth))
    canvas.spindle(top, bottom, middle - 0.3 * half * (1.2 - saw), half * 0.6 * saw, light.shade(colour, 0.75, depth))


def crown(
    canvas: Canvas,
    light: Light,
    draw: Rng,
    centre: tuple[float, float],
    size: tuple[float, float],
    colour: np.ndarray,
    depth: float,
    lobes: int = 22,
) -> None:
    """A crown of leaves in three tones around `centre`, `size` (half width, half height)."""
    if not canvas.sees(centre[0] - 1.4 * size[0], centre[0] + 1.4 * size[0]):
        return
    points = draw.many(lobes, 3)
    angle, out = 2 * np.pi * points[:, 0], np.sqrt(points[:, 1]) * 0.78
    heaped = np.stack(
        [
            centre[0] + size[0] * out * np.cos(angle),
            centre[1] + size[1] * out * np.sin(angle),
            min(size) * (0.28 + 0.22 * points[:, 2]),
        ],
        1,
    )
    leaves = heap(canvas, heaped.astype(np.float32), (-0.45, -0.9), draw.part("fray"), 0.3, 0.55, 0.4)
    if leaves is None:
        return
    tone = tones(canvas, leaves.facing, (-0.25, 0.12, 0.5), 0.05)
    warm = mix(colour * 0.72, np.clip(colour * 1.1, 0, 1), 0.5)
    colours = mix(light.shade(warm * 0.86, 0.0, depth), light.shade(np.clip(colour * 1.08, 0, 1), 1.0, depth), tone)
    canvas.blend(leaves.where, canvas.edge(leaves.inside), colours)


def tree(
    canvas: Canvas, light: Light, draw: Rng, x: float, foot: float, height: float, colour: np.ndarray, depth: float
) -> None:
    """A leafy tree: trunk, two boughs, crown."""
    if not canvas.sees(x - height, x + height):
        return
    bark = light.shade(BARK, 0.25, depth)
    t = np.clip((foot - canvas.y) / height, 0.0, 1.0)
    bend = draw.uniform(-0.12, 0.12) * height
    half = height * (0.032 * (1.0 - 0.6 * t) + 0.03 * np.clip(0.12 - t, 0, 1) / 0.12)
    canvas.spindle(foot - 0.6 * height, foot, (x + bend * t * t).astype(np.float32), half.astype(np.float32), bark)
    for side in (-1.0, 1.0):
        start = (x + bend * 0.16, foot - 0.36 * height)
        canvas.line(start, (x + side * 0.2 * height, foot - 0.62 * height), 0.025 * height, bark)
    wide = draw.uniform(0.34, 0.46) * height
    crown(canvas, light, draw, (x + 0.3 * bend, foot - 0.68 * height), (wide, 0.34 * height), colour, depth)


def branches(canvas: Canvas, light: Light, draw: Rng, colour: np.ndarray, side: float) -> None:
    """Leaves hanging into an upper corner of the frame."""
    half = min(0.5 * canvas.px * canvas.x.size, 0.75)
    bough = light.shade(BARK * 0.7, 0.1)
    reach = draw.uniform(0.25, 0.4)
    x = side * half
    canvas.line((x + side * 0.1, 0.02), (x - side * reach * 0.9, draw.uniform(0.1, 0.2)), 0.014, bough)
    for a, b, c in draw.many(6, 3).tolist():
        out = a * reach
        centre = (x - side * out, 0.02 + 0.2 * b * (1.0 - out / reach) + 0.1 * out)
        crown(canvas, light, draw.part(f"{a:.3f}"), centre, (0.07 + 0.05 * c, 0.045 + 0.03 * c), colour, 0.0, 10)


def trunks(
    canvas: Canvas, light: Light, draw: Rng, colour: np.ndarray, depth: float, foot: float, width: float, count: int
) -> None:
    """A layer of forest: trunks from above the frame down to the ground near the height `foot`."""
    body, edge = light.shade(colour, 0.2, depth), light.shade(colour, 0.95, depth)
    for k, (a, b, c, d) in enumerate(draw.many(count, 4).tolist()):
        x = 2.4 * (k + 0.15 + 0.7 * a) / count - 1.2
        if not canvas.sees(x - 0.2, x + 0.2):
            continue
        base, thick = foot + 0.06 * (b - 0.5), width * (0.6 + 0.8 * c)
        t = np.clip((base - canvas.y) / max(base, 0.1), -0.2, 1.0)
        middle = (x + (d - 0.5) * (0.03 + 0.6 * width) * t + 0.12 * thick * np.sin(9.0 * t + 6.0 * a)).astype(
            np.float32
        )
        half = (thick * (0.5 - 0.16 * t + 0.35 * np.exp(-t * 22.0))).astype(np.float32)
        canvas.spindle(-0.1, base, middle, half, body)
        canvas.spindle(-0.1, base, middle - 0.55 * half, 0.3 * half, edge)

"""Cel-shaded heaps of round lobes, used for clouds, tree crowns and bushes.

Each lobe is a sphere. A pixel's tone depends on its slope towards the light, averaged over the lobes around it. The
same noise roughens the outline and the borders between tones.
"""

from dataclasses import dataclass

import numpy as np

from drujax.data.scenes.canvas import Canvas, Where, smoothstep
from drujax.data.scenes.rng import Rng, field


@dataclass(frozen=True)
class Heap:
    """A heap on the canvas: its pixels, their signed distance inside it (stage units), and their slope to the light."""

    where: Where
    inside: np.ndarray  # rows x columns
    facing: np.ndarray  # -1 away .. 1 towards the light


def heap(
    canvas: Canvas,
    lobes: np.ndarray,
    towards: tuple[float, float],
    rng: Rng,
    fray: float = 0.25,
    roundness: float = 0.45,
    grain: float = 0.25,
) -> Heap | None:
    """Builds the heap of `lobes`, an (n, 3) array of x, y, radius; `fray` is the outline's roughness in mean radii."""
    reach = 1.0 + 2 * fray
    x, y, r = lobes.T
    box = (x - reach * r).min(), (y - reach * r).min(), (x + reach * r).max(), (y + reach * r).max()
    where = canvas.cells(*(float(side) for side in box))
    if where is None:
        return None
    xs, ys = canvas.x[where[1]], canvas.y[where[0]]
    size = float(r.mean())
    lattice = rng.many(2, 24, 24)
    # Noise coordinates are relative to the first lobe, not to the frame, so that cropping does not move the noise.
    u, v = (xs - float(x[0])) / size, (ys - float(y[0])) / size
    noise = field(lattice[0], 1.7 * v, 1.7 * u) + 0.55 * field(lattice[1], 4.1 * v, 4.1 * u)
    inside = np.full((ys.size, xs.size), -1.0, np.float32)
    weight = np.full_like(inside, 1e-12)
    facing = np.zeros_like(inside)
    lx, ly = towards
    for cx, cy, radius in lobes.astype(np.float32):
        wide = radius * np.float32(reach)
        part = canvas.cells(float(cx - wide), float(cy - wide), float(cx + wide), float(cy + wide))
        if part is None:
            continue
        rows = slice(max(part[0].start - where[0].start, 0), part[0].stop - where[0].start)
        columns = slice(max(part[1].start - where[1].start, 0), part[1].stop - where[1].start)
        dx, dy = xs[columns] - cx, (ys[rows] - cy)[:, None]
        distance = np.sqrt(dx * dx + dy * dy)
        np.maximum(inside[rows, columns], radius - distance, out=inside[rows, columns])
        near = np.maximum(wide - distance, 0.0)
        near *= near
        near *= near
        weight[rows, columns] += near
        facing[rows, columns] += near * (dx * (lx / radius) + dy * (ly / radius))
    facing /= weight
    inside += (fray * size) * noise
    facing += grain * noise
    middle_x, middle_y, spread = float(x.mean()), float(y.mean()), float(max(np.ptp(x), np.ptp(y))) / 2 + size
    slope = (xs - middle_x) * (lx / spread) + ((ys - middle_y) * (ly / spread))[:, None]
    return Heap(where, inside, roundness * facing + (1.0 - roundness) * 1.4 * slope)


def tones(canvas: Canvas, facing: np.ndarray, borders: tuple[float, ...], soft: float = 0.06) -> np.ndarray:
    """Cel shading: the fraction (0..1) of the `borders` below the slope, with softened steps."""
    total = np.zeros_like(facing)
    for border in borders:
        total += smoothstep(border - soft, border + soft, facing)
    return total / len(borders)

"""The sky: gradient, sun or moon, stars, cumulus and streaks of cloud."""

from dataclasses import dataclass

import numpy as np

from drujax.data.scenes.canvas import Canvas, smoothstep
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix
from drujax.data.scenes.puffs import heap, tones
from drujax.data.scenes.rng import Rng, field


@dataclass(frozen=True)
class Sky:
    """Geometry of a sky: the height of the horizon and the position of the sun (at night: the moon)."""

    horizon: float
    luminary: tuple[float, float]

    def towards(self, x: float, y: float) -> tuple[float, float]:
        """Returns the unit vector from a point to the light, biased upwards."""
        dx, dy = self.luminary[0] - x, self.luminary[1] - y - 0.35
        length = float(np.hypot(dx, dy)) + 1e-6
        return dx / length, dy / length


def paint_sky(canvas: Canvas, light: Light, rng: Rng, horizon: float, cumulus: tuple[int, int] = (1, 4)) -> Sky:
    """Paints the whole frame with sky; the land later covers the part below the horizon."""
    draw = rng.part("sky")
    side = draw.pick((-1.0, 1.0))
    sky = Sky(horizon, (side * draw.uniform(0.1, 0.42), horizon * draw.uniform(0.18, 0.72)))
    bend = draw.uniform(0.25, 0.42)
    stops = [0.0, horizon * bend, horizon * (bend + 0.36), horizon]
    canvas.rgb += canvas.rows(stops, light.sky)
    _stars(canvas, light, draw.part("stars"), horizon)
    _luminary(canvas, light, draw.part("luminary"), sky)
    if draw.happens(0.6):
        _streaks(canvas, light, draw.part("streaks"), sky)
    clouds = draw.part("cumulus")
    if cumulus[1] > 3 and clouds.happens(0.75):
        _cumulus(canvas, light, clouds.part("tower"), sky, 2.0)
    for k in range(clouds.count(*cumulus)):
        _cumulus(canvas, light, clouds.part(str(k)), sky)
    if draw.happens(0.55):
        _bank(canvas, light, draw.part("bank"), sky)
    return sky


def _stars(canvas: Canvas, light: Light, draw: Rng, horizon: float) -> None:
    stars = draw.many(110, 4)
    strength = light.stars * (0.35 + 0.65 * light.level)
    if strength == 0:
        return
    for x, y, size, bright in stars:
        height = float(y * y)
        where = 0.0012 + 0.0022 * float(size) ** 3
        canvas.ellipse(
            (2.2 * float(x) - 1.1, horizon * 0.9 * height), where, where, np.ones((3, 1, 1), np.float32),
            strength * float(bright) * (1.0 - height) * min(1.0, where / canvas.px), soft=where,
        )  # fmt: skip


def _luminary(canvas: Canvas, light: Light, draw: Rng, sky: Sky) -> None:
    radius, phase = draw.uniform(0.03, 0.06), draw.uniform(0.25, 0.95)
    colour = light.luminary[:, None, None]
    strength = light.glow * (0.3 + 0.7 * light.level)
    canvas.glow(sky.luminary, 0.6 + light.glow / 2, colour, 0.8 * strength)
    canvas.glow(sky.luminary, radius * 3.5, colour, strength)
    if light.moon and phase < 0.6:
        _crescent(canvas, sky.luminary, 0.7 * radius, phase, colour)
        return
    x, y = sky.luminary
    clear = float(np.clip(2.5 * light.level - 1.0, 0.0, 1.0)) if light.kind == "day" else 1.0  # dim days are overcast
    where = canvas.cells(x - radius, y - radius, x + radius, y + radius)
    if where is not None:  # a sun is never darker than the sky around it
        colour = np.maximum(colour, canvas.rgb[:, where[0], where[1]].max(axis=(1, 2))[:, None, None])
    canvas.ellipse((x, y), radius, radius, colour, clear, soft=0.003 if light.moon else 0.02)


def _crescent(canvas: Canvas, centre: tuple[float, float], radius: float, phase: float, colour: np.ndarray) -> None:
    x, y = centre
    where = canvas.cells(x - radius, y - radius, x + radius, y + radius)
    if where is not None:
        dx, dy = canvas.x[where[1]] - x, (canvas.y[where[0]] - y)[:, None]
        disc = radius - np.sqrt(dx * dx + dy * dy)
        bx, by = dx - phase * radius, dy + 0.5 * phase * radius
        canvas.blend(where, canvas.edge(np.minimum(disc, np.sqrt(bx * bx + by * by) - 0.95 * radius)), colour)


def _streaks(canvas: Canvas, light: Light, draw: Rng, sky: Sky) -> None:
    """High thin clouds, stretched horizontally."""
    lattice = draw.many(2, 16, 32)
    slant, size, low = draw.uniform(-0.12, 0.12), draw.uniform(0.9, 1.6), draw.uniform(-0.1, 0.35)
    where = canvas.cells(float(canvas.x[0]), 0.0, float(canvas.x[-1]), sky.horizon)
    if where is None:
        return
    x, y = canvas.x[where[1]], canvas.y[where[0]]
    noise = field(lattice[0], 13 * size * (y + slant * 0.5), 2.2 * size * x)
    noise += 0.5 * field(lattice[1], 34 * size * y, 7 * size * x)
    band = np.sin(np.clip(y / sky.horizon, 0, 1) * np.pi)[:, None]
    cover = smoothstep(low, low + 0.9, noise) * (0.75 * band)
    height = np.clip(y / sky.horizon, 0.0, 1.0)[None, :, None]
    canvas.blend(where, cover, mix(light.cloud_shade[:, None, None], light.cloud[:, None, None], 0.35 + 0.6 * height))


def _pile(draw: Rng, x: float, base: float, width: float, height: float) -> np.ndarray:
    """Returns lobes on a flat base, (n, 3): large ones for the body, and smaller ones along its crest."""
    centres, heights = 1.3 * (draw.many(3) - 0.5), 0.35 + 0.65 * draw.many(3)

    def dome(t: float) -> float:
        return float((heights * np.exp(-(((t - centres) / 0.42) ** 2))).max()) * (1.0 - t**4)

    lobes = []
    for t in np.linspace(-0.85, 0.85, 11).tolist():
        radius = 0.5 * dome(t) * height + 0.03 * width
        lobes.append((x + t * width / 2, base - 0.9 * radius, radius))
    for a, b, c in draw.many(24, 3).tolist():
        t = 1.7 * a - 0.85
        radius = (0.1 + 0.16 * c) * height * (0.4 + 0.6 * dome(t))
        lobes.append((x + t * width / 2, base - max(dome(t) * height * (0.7 + 0.36 * b) - 0.3 * radius, 0), radius))
    return np.array(lobes, np.float32)


def _cumulus(canvas: Canvas, light: Light, draw: Rng, sky: Sky, scale: float = 1.0) -> None:
    """A cumulus cloud with a flat, fading base."""
    x, base = draw.uniform(-1.0, 1.0) * 0.75, sky.horizon * draw.uniform(0.3, 0.92)
    size = 0.35 + 0.65 * (base / sky.horizon)
    if scale > 1.0:  # a thunderhead, which rises from the horizon
        base = sky.horizon * draw.uniform(0.9, 1.05)
    width, height = scale * size * draw.uniform(0.3, 0.7), scale * size * draw.uniform(0.1, 0.22) * (sky.horizon / 0.6)
    if not canvas.sees(x - width, x + width):
        return
    cloud = heap(canvas, _pile(draw, x, base, width, height), sky.towards(x, base), draw.part("fray"), 0.2)
    if cloud is None:
        return
    _cloud(canvas, light, cloud, base, height)


def _bank(canvas: Canvas, light: Light, draw: Rng, sky: Sky) -> None:
    """A low bank of clouds along the whole horizon."""
    lobes = []
    low = sky.horizon + 0.02
    height = sky.horizon * draw.uniform(0.08, 0.3)
    crest = draw.many(12)
    for a, b, c in draw.many(64, 3).tolist():
        x = 2.2 * a - 1.1
        top = height * (0.25 + 0.75 * float(np.interp(x, np.linspace(-1.1, 1.1, 12), crest)))
        lobes.append((x, low - top * (0.35 + 0.65 * b), 0.03 + 0.35 * top * (0.4 + 0.6 * c)))
    heaped = np.array(lobes, np.float32)
    cloud = heap(canvas, heaped, sky.towards(0.0, low), draw.part("fray"), 0.2)
    if cloud is not None:
        _cloud(canvas, light, cloud, sky.horizon + 0.06, height)


def _cloud(canvas: Canvas, light: Light, cloud, base: float, height: float) -> None:
    y = canvas.y[cloud.where[0]]
    fade = smoothstep(base + 0.12 * height, base - 0.3 * height, y)[:, None] if height else 1.0
    cover = canvas.edge(cloud.inside, 0.004) * fade
    tone = tones(canvas, cloud.facing, (-0.3, 0.05, 0.4), 0.09)
    colour = mix(light.cloud_shade[:, None, None], light.cloud[:, None, None], tone)
    canvas.blend(cloud.where, cover, mix(colour, light.sky[2][:, None, None], 0.12))

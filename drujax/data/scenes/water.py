"""Water: reflections, ripples and glitter."""

import numpy as np

from drujax.data.scenes.canvas import Canvas, smoothstep
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.palette import mix, rgb
from drujax.data.scenes.rng import Rng, field
from drujax.data.scenes.sky import Sky

DEEP = rgb("4f9fc4")


def water(
    canvas: Canvas, light: Light, rng: Rng, sky: Sky, shore: float, bottom: float = 1.3, still: float = 0.7
) -> None:
    """Fills shore..bottom with water that reflects the image above the shore; `still` from 0 (sea) to 1 (pond)."""
    draw = rng.part("water")
    where = canvas.cells(float(canvas.x[0]), shore, float(canvas.x[-1]), bottom)
    if where is None:
        return
    y, x = canvas.y[where[0]], canvas.x
    away = np.clip((y - shore) / (1.0 - shore), 0.004, None)
    lattice = draw.many(2, 40, 40)
    deep = np.log(away + 0.03)
    pixel = canvas.px / (
        (away + 0.03) * (1.0 - shore)
    )  # extent of a row in `deep`; finer ripples would alias, so they fade
    ripple = np.zeros((y.size, x.size), np.float32)
    for layer, (down, across, height) in zip(lattice, ((21.0, 3.6, 1.0), (43.0, 11.0, 0.6)), strict=True):
        amplitude = height * np.clip(1.6 - 2.0 * down * pixel, 0.0, 1.0)[:, None]
        ripple += amplitude * field(layer, down * deep + 4.2 * down, across * x + 20.0)
    mirrored = shore - (y - shore)[:, None] * 0.9 - ripple * (0.02 + 0.05 * (1 - still)) * (0.25 + away[:, None])
    image = _mirror(canvas, where[0].start, mirrored)
    body = mix(light.shade(DEEP, 0.5), light.sky[1][:, None, None], 0.35)
    clear = np.clip(0.86 * still + 0.1 - 0.45 * away * (1.1 - still), 0.0, 0.95)[:, None]
    colour = mix(body, image, clear)
    crest = smoothstep(0.75, 0.95, ripple) * np.clip(0.25 + 0.5 * (1 - still), 0, 1)
    colour = mix(colour, np.maximum(light.horizon[:, None, None], colour), 0.55 * crest)
    column = np.exp(-(((x - sky.luminary[0]) / (0.05 + 0.16 * away[:, None])) ** 2))
    sparkle = smoothstep(0.55, 0.75, ripple + 0.8 * column) * column * (0.35 + 0.5 * light.glow)
    colour += sparkle * light.luminary[:, None, None] * np.clip(1.0 - colour, 0.0, 1.0) * (0.3 + 0.7 * light.level)
    canvas.blend(where, canvas.span(y, shore, bottom)[:, None], colour)


def _mirror(canvas: Canvas, rows: int, mirrored: np.ndarray) -> np.ndarray:
    """Samples the first `rows` of the image at the heights `mirrored`, each averaged over a short vertical range."""
    half = max(0.006 / canvas.px, 0.5)
    shown = canvas.rgb[:, : max(rows, 1)]
    total = np.concatenate([np.zeros_like(shown[:, :1]), np.cumsum(shown, axis=1)], axis=1)
    last, columns = shown.shape[1], np.arange(canvas.x.size)

    def up_to(row: np.ndarray) -> np.ndarray:
        whole = np.minimum(row.astype(np.int64), last - 1)
        above = total[:, whole, columns]
        return above + (row - whole) * (total[:, whole + 1, columns] - above)

    row = (mirrored - canvas.y[0]) / canvas.px + 0.5
    low, high = np.clip(row - half, 0.0, last - 0.5), np.clip(row + half, 0.5, last)
    return (up_to(high) - up_to(low)) / (high - low)


def shoreline(canvas: Canvas, light: Light, draw: Rng, top: float, soil: np.ndarray, side: float) -> None:
    """A beach on one `side` (-1 left, 1 right), from the lower frame up to the height `top`, with foam lines."""
    away = np.clip((canvas.y - top) / (1.0 - top), 0.0, None)
    reach, curl, phase = draw.uniform(-0.1, 0.2), draw.uniform(0.8, 1.4), draw.uniform(0.0, 6.0)
    edge = side * (0.9 - (0.9 + reach) * away**curl) + 0.03 * np.sin(7.0 * away + phase) * away
    foam = light.shade(rgb("ffffff"), 0.9, 0.05)
    for out, thick, opacity in ((0.17, 0.02, 0.4), (0.09, 0.03, 0.55), (0.02, 0.035, 0.95)):
        crest = edge - side * (out * (0.1 + away) + 0.03 * np.sin(9.0 * away + 60.0 * out) * away)
        canvas.spindle(top, 1.3, crest, thick * (0.1 + away), foam, opacity)
    for inland, colour, lit in ((0.0, soil * 0.84, 0.55), (0.06, soil, 0.95)):
        canvas.spindle(
            top, 1.3, edge + side * (3.0 + inland * (0.1 + away)), np.full_like(away, 3.0), light.shade(colour, lit)
        )

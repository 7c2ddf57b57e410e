"""Situations of light that enhancing gets wrong, each painted with its truth: the same scene by day.

What is added to a scene (neon signs, fog, silhouettes, letterbox bars) is in both pictures of a pair, as the light of
each shows it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from jaxtyping import UInt8

from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.lighting import Light, Lighting
from drujax.data.scenes.palette import mix, ramp, rgb
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.scene import kind_of, paint, season
from drujax.errors import UsageError, unknown

DAY = Lighting("day", 1.0)
SEED = 2_000_003  # no other seed that drujax uses by default
BLACK = np.zeros((3, 1, 1), np.float32)
NEON = tuple(ramp("ff2f8f 20d8ff ff4a2a a050ff 3cf090 ffd030"))
OUTLANDS = ("mountains", "lake", "coast", "meadow")


def _neon(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Upright signs with lit characters and a glow; by day they are pale panels."""
    draw = rng.part("neon")
    for k in range(draw.count(5, 8)):
        sign = draw.part(str(k))
        x, y = sign.uniform(-0.7, 0.7), sign.uniform(0.26, 0.46)
        wide, tall, hue = sign.uniform(0.03, 0.055), sign.uniform(0.09, 0.17), sign.pick(NEON)
        panel = light.shade(mix(hue, rgb("f4f0e8"), 0.75), 0.6)
        canvas.rect(x - wide, y, x + wide, y + tall, light.lamp(panel, hue * 0.7))
        lit = light.lamp(light.shade(hue * 0.6, 0.6), mix(hue, rgb("ffffff"), 0.15))
        rows = max(int(tall / (1.7 * wide)), 1)
        for row in range(rows):
            top = y + tall * (row + 0.2) / rows
            canvas.rect(x - 0.6 * wide, top, x + 0.6 * wide, top + 0.18 * tall / rows, lit)
            canvas.rect(x - 0.14 * wide, top, x + 0.14 * wide, top + 0.62 * tall / rows, lit)
        canvas.glow((x, y + tall / 2), 2.2 * tall, hue[:, None, None], 0.35 * light.burning)


def _fog(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Fog in the colour of the horizon, thickest at mid-height."""
    draw = rng.part("fog")
    middle, thick = draw.uniform(0.45, 0.6), draw.uniform(0.7, 0.85)
    cover = thick * np.exp(-(((canvas.y - middle) / 0.34) ** 2)) + 0.08
    canvas.rgb += (light.horizon[:, None, None] - canvas.rgb) * cover[:, None].astype(np.float32)


def _silhouette(canvas: Canvas, light: Light, rng: Rng) -> None:
    """A railing and a gate in front of everything, black whatever the light: they are meant to be black."""
    draw = rng.part("silhouette")
    ink, side = rgb("020202")[:, None, None], draw.pick((-1.0, 1.0))
    rail = draw.uniform(0.8, 0.86)
    for y, thick in ((rail, 0.014), (0.97, 0.06)):
        canvas.rect(-1.3, y, 1.3, y + thick, ink)
    for x in np.arange(-1.2, 1.2, 0.075).tolist():
        canvas.rect(x, rail, x + 0.012, 1.0, ink)
    x, top = side * draw.uniform(0.2, 0.4), draw.uniform(0.2, 0.3)
    for post in (-0.16, 0.16):
        canvas.rect(x + post - 0.022, top, x + post + 0.022, 1.0, ink)
    canvas.polygon(
        [(x - 0.28, top - 0.02), (x + 0.28, top - 0.02), (x + 0.25, top + 0.03), (x - 0.25, top + 0.03)], ink
    )
    canvas.rect(x - 0.2, top + 0.09, x + 0.2, top + 0.12, ink)


def _letterbox(canvas: Canvas, light: Light, rng: Rng) -> None:
    """Black bars above and below, as in films."""
    del light, rng
    canvas.rect(-1.3, -0.1, 1.3, 0.125, BLACK)
    canvas.rect(-1.3, 0.875, 1.3, 1.1, BLACK)


@dataclass(frozen=True)
class Situation:
    """A situation of light.

    Attributes:
        scenes: kinds of scene that show it.
        dark: lighting of the picture to enhance.
        exposure: factor of the levels of that picture, before they are rounded again.
        overlay: what is painted over the scene, in both pictures.
        season: the only season of the scenes; any where it is None.
    """

    scenes: tuple[str, ...]
    dark: Lighting
    exposure: float = 1.0
    overlay: Callable[[Canvas, Light, Rng], None] = lambda canvas, light, rng: None
    season: str | None = None


SITUATIONS: dict[str, Situation] = {
    "lit town": Situation(("city", "village"), Lighting("night", 0.45)),
    "neon": Situation(("city",), Lighting("night", 0.35), overlay=_neon),
    "lamp": Situation(("bedroom", "tatami", "classroom"), Lighting("interior", 0.35)),
    "moon": Situation(OUTLANDS, Lighting("night", 0.6)),
    "snow": Situation((*OUTLANDS, "village", "road"), Lighting("night", 0.4), season="winter"),
    "back-light": Situation(("road", "meadow", "village"), Lighting("backlit", 0.2)),
    "silhouette": Situation((*OUTLANDS, "city"), Lighting("dusk", 0.3), overlay=_silhouette),
    "fog": Situation(("road", "village", "forest", "lake"), Lighting("night", 0.5), overlay=_fog),
    "almost black": Situation((*OUTLANDS, "city", "road"), Lighting("night", 0.0), exposure=0.3),
    "letterboxed": Situation((*OUTLANDS, "village", "city"), Lighting("night", 0.45), overlay=_letterbox),
    "uncertain": Situation((*OUTLANDS, "village", "city", "road"), Lighting("day", 0.5)),
    "bright": Situation((*OUTLANDS, "village", "city", "road"), DAY),
}


def situation(
    name: str, number: int, size: tuple[int, int], seed: int = SEED
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]:
    """Renders a situation of light and its truth, the same scene by day; of "bright" both are the same.

    Args:
        name: one of `SITUATIONS`.
        number: which scene of this situation, at least 0.
        size: (height, width) in pixels.
        seed: of the scenes; those that follow it are used as well.

    Raises:
        UsageError: an argument is unknown or out of range.
    """
    if name not in SITUATIONS:
        raise unknown("situation", name, SITUATIONS)
    if number < 0:
        raise UsageError(f"number: must be >= 0, got {number}")
    of = SITUATIONS[name]
    seed += list(SITUATIONS).index(name)  # so that no two situations show one scene
    index = next(islice(_scenes(of, seed), number, None))
    dark, bright = (paint(seed, index, size, light, of.overlay) for light in (of.dark, DAY))
    return np.rint(dark * of.exposure).astype(np.uint8), bright


def _scenes(of: Situation, seed: int) -> Iterator[int]:
    """The scenes that show a situation, of each of its kinds in turn."""
    for place in count():
        wanted = of.scenes[place % len(of.scenes)]
        of_kind = (i for i in count() if kind_of(seed, i) == wanted and of.season in (None, season(seed, i)))
        yield next(islice(of_kind, place // len(of.scenes), None))

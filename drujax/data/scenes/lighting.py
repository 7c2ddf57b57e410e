"""Lighting: the effect of a scene's illumination on its colours.

Lighting changes colours only and moves no edge, so that a scene is the same under every lighting. The change is more
than a gain: skies stay brighter than the ground, shade turns blue, night reduces saturation, lamps stay lit.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from drujax.data.scenes.palette import SKIES, mix, rgb
from drujax.data.scenes.rng import Rng
from drujax.errors import UsageError, unknown

LightKind = Literal["day", "dusk", "night", "backlit", "interior"]
LIGHT_KINDS: tuple[LightKind, ...] = get_args(LightKind)

Share = float | np.floating | np.ndarray


@dataclass(frozen=True)
class Lighting:
    """An illumination: its kind, and its level from 0 (darkest of the kind) to 1 (full). Mean luma rises with level.

    day: sunlight, from a dark overcast sky to noon. dusk: a low, coloured sun. night: moonlight and lit windows.
    backlit: a bright sky behind silhouettes. interior: lamps are the only light, indoors and outdoors.
    """

    kind: LightKind
    level: float

    def __post_init__(self):
        if self.kind not in LIGHT_KINDS:
            raise unknown("lighting kind", self.kind, LIGHT_KINDS)
        if not 0.0 <= self.level <= 1.0:
            raise UsageError(f"lighting level: must be in 0..1, got {self.level!r}")


@dataclass(frozen=True)
class _Response:
    """The colours of a kind of lighting at full level, and the fraction of them that is left at level 0 (`floor…`)."""

    key: np.ndarray  # factor of surfaces that face the light
    ambient: np.ndarray  # factor of surfaces in shade
    room_key: np.ndarray  # the same two indoors
    room_ambient: np.ndarray
    floor: np.ndarray
    floor_sky: np.ndarray
    saturation: float  # at level 1
    floor_saturation: float  # at level 0
    cloud: np.ndarray
    cloud_shade: np.ndarray
    luminary: np.ndarray  # the sun, or the moon
    moon: bool = False
    glow: float = 0.4  # around the luminary
    haze: float = 0.9  # blend of distant objects towards the horizon's colour
    silhouette: float = 0.0  # darkening of near objects against the sky
    lamps: float = 0.0  # brightness of lamps
    stars: float = 0.0
    window: float = 0.1  # fall-off of light in a room with the distance from its window
    pool: float = 0.0  # fraction of a room's light that comes from the lamp
    vignette: float = 0.0


_RESPONSES: dict[LightKind, _Response] = {
    "day": _Response(
        key=rgb("fffdf4") * 1.1,
        ambient=rgb("b9cdf2"),
        room_key=rgb("fffaee") * 1.12,
        room_ambient=rgb("d9dcea"),
        floor=rgb("2a3138"),
        floor_sky=rgb("343b44"),
        saturation=1.0,
        floor_saturation=0.45,
        cloud=rgb("ffffff"),
        cloud_shade=rgb("bcd3ee"),
        luminary=rgb("fffef6"),
        glow=0.5,
    ),
    "dusk": _Response(
        key=rgb("ffc08a"),
        ambient=rgb("8a7cae") * 0.9,
        room_key=rgb("ffb878") * 1.1,
        room_ambient=rgb("86688a"),
        floor=rgb("1e1a30"),
        floor_sky=rgb("44304a"),
        saturation=1.0,
        floor_saturation=0.7,
        cloud=rgb("ffd2a0"),
        cloud_shade=rgb("b0749a"),
        luminary=rgb("fff2c8"),
        glow=0.75,
        haze=0.85,
        silhouette=0.25,
        lamps=0.75,
        stars=0.15,
        window=0.35,
        vignette=0.15,
    ),
    "night": _Response(
        key=rgb("84a4ea") * 0.72,
        ambient=rgb("324e98") * 0.6,
        room_key=rgb("6886d8") * 0.62,
        room_ambient=rgb("2c3c78") * 0.62,
        floor=rgb("343c58"),
        floor_sky=rgb("3a4260"),
        saturation=0.62,
        floor_saturation=0.3,
        cloud=rgb("7f9bd0"),
        cloud_shade=rgb("2c4680"),
        luminary=rgb("fff6d8"),
        moon=True,
        glow=0.35,
        haze=0.75,
        silhouette=0.1,
        lamps=1.0,
        stars=1.0,
        window=0.45,
        vignette=0.25,
    ),
    "backlit": _Response(
        key=rgb("ffe0b8") * 0.72,
        ambient=rgb("7f86a8") * 0.62,
        room_key=rgb("fff0d8"),
        room_ambient=rgb("505468"),
        floor=rgb("1e1e26"),
        floor_sky=rgb("86827a"),
        saturation=0.85,
        floor_saturation=0.4,
        cloud=rgb("fff8e8"),
        cloud_shade=rgb("e0cdb8"),
        luminary=rgb("fffdf0"),
        glow=0.95,
        haze=1.0,
        silhouette=0.75,
        lamps=0.25,
        window=0.5,
        vignette=0.2,
    ),
    "interior": _Response(
        key=rgb("ffc98a") * 0.5,
        ambient=rgb("5a5890") * 0.34,
        room_key=rgb("ffc078") * 0.95,
        room_ambient=rgb("5c4048") * 0.8,
        floor=rgb("3a3236"),
        floor_sky=rgb("34384a"),
        saturation=0.8,
        floor_saturation=0.5,
        cloud=rgb("5a6aa0"),
        cloud_shade=rgb("1c2850"),
        luminary=rgb("f4ecd8"),
        moon=True,
        glow=0.3,
        haze=0.6,
        silhouette=0.1,
        lamps=1.0,
        stars=0.6,
        window=0.0,
        pool=1.0,
        vignette=0.3,
    ),
}


class Light:
    """The colours of a scene under a `Lighting`; the sky and the hue vary from scene to scene."""

    def __init__(self, lighting: Lighting, rng: Rng):
        self.kind, self.level = lighting.kind, lighting.level
        response = _RESPONSES[lighting.kind]
        stream = rng.part(f"light/{lighting.kind}")
        dark = (1.0 - lighting.level) ** 1.35
        gain, sky_gain = response.floor**dark, response.floor_sky**dark
        tint = 1.0 + 0.06 * (stream.many(3) - 0.5)
        self.sky = stream.pick(SKIES[lighting.kind]) * tint * sky_gain
        self.key, self.ambient = response.key * gain * tint, response.ambient * gain * tint
        self.room_key, self.room_ambient = response.room_key * gain * tint, response.room_ambient * gain * tint
        self.saturation = response.saturation + (response.floor_saturation - response.saturation) * dark
        self.cloud = mix(response.cloud, response.cloud * self.sky[3] / self.sky[3].max(), 0.25) * sky_gain
        self.cloud_shade = mix(response.cloud_shade * sky_gain, self.sky[1], 0.35)
        self.luminary = response.luminary * np.maximum(sky_gain, 0.5)
        self.moon, self.glow, self.stars = response.moon, response.glow, response.stars
        self.haze, self.silhouette, self.lamps = response.haze, response.silhouette, response.lamps
        self.window, self.pool, self.vignette = response.window, response.pool, response.vignette
        self.horizon = mix(self.sky[2], self.sky[3], 0.6)

    def shade(self, colour: np.ndarray, lit: Share = 1.0, depth: Share = 0.0) -> np.ndarray:
        """Shades a `colour` (3,) outdoors: `lit` from 0 (in shade) to 1, `depth` from 0 (near) to 1 (horizon).

        `lit` and `depth` may be arrays over (rows, columns). Returns shape (3, 1, 1) or (3, rows, columns).
        """
        factor = mix(self.ambient[:, None, None], self.key[:, None, None], np.float32(lit))
        depth = np.float32(depth)
        near = 1.0 - self.silhouette * np.clip(1.0 - 1.25 * depth, 0.0, 1.0)
        return mix(self._muted(colour) * factor * near, self.horizon[:, None, None], self.haze * depth)

    def room(self, colour: np.ndarray, lit: Share = 0.0) -> np.ndarray:
        """Shades a `colour` (3,) indoors: `lit` is the fraction of the window's or lamp's light that reaches it."""
        return self._muted(colour) * mix(
            self.room_ambient[:, None, None], self.room_key[:, None, None], np.float32(lit)
        )

    def lamp(self, off: np.ndarray, on: np.ndarray, share: float = 1.0) -> np.ndarray:
        """Shades a window or lamp: from `off` (3, 1, 1) by day to the light `on` (3,) if lit. Returns (3, 1, 1)."""
        return mix(off, np.maximum(on[:, None, None], off), np.float32(self.burning * share))

    @property
    def burning(self) -> float:
        """Brightness of lamps, 0..1."""
        return self.lamps * (0.72 + 0.28 * self.level)

    def _muted(self, colour: np.ndarray) -> np.ndarray:
        grey = colour @ np.array([0.299, 0.587, 0.114], np.float32)
        return (grey + (colour - grey) * np.float32(self.saturation)).astype(np.float32)[:, None, None]

"""Colours of the seasons under white light, and skies for each kind of lighting."""

from dataclasses import dataclass

import numpy as np

from drujax.data.scenes.rng import Rng


def rgb(code: str) -> np.ndarray:
    """Parses a colour: 'f0a030' -> sRGB values in 0..1, shape (3,)."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)


def ramp(codes: str) -> np.ndarray:
    """Parses several colours: '1f60c0 98cdf3 …' -> (n, 3)."""
    return np.stack([rgb(code) for code in codes.split()])


def mix(a: np.ndarray, b: np.ndarray, t: float | np.floating | np.ndarray) -> np.ndarray:
    """Interpolates linearly: `a` at t = 0, `b` at t = 1."""
    return a + (b - a) * t


@dataclass(frozen=True)
class Season:
    """Colours of vegetation and ground in one season; each is (3,), under white light."""

    name: str
    grass: np.ndarray
    foliage: tuple[np.ndarray, ...]  # colours of crowns, one is picked per tree
    conifer: np.ndarray
    ridge: np.ndarray
    soil: np.ndarray
    blossom: tuple[np.ndarray, ...]  # flowers in the grass; may be empty
    snow: float  # 0..1, snow cover of roofs and peaks


def _season(
    name: str, grass: str, foliage: str, conifer: str, ridge: str, soil: str, blossom: str, snow: float
) -> Season:
    return Season(
        name, rgb(grass), tuple(ramp(foliage)), rgb(conifer), rgb(ridge), rgb(soil),
        tuple(ramp(blossom)) if blossom else (), snow,
    )  # fmt: skip


SEASONS = (
    _season(
        "spring", "bfdc86", "f7bccb f9cdd6 a9cf7c f3a9bf", "6fa27a", "86b4a8", "d8c3a0", "ffffff ffe27a f9b3c6", 0.35
    ),
    _season(
        "summer", "a4d26a", "74b35a 5fa35c 8cc063 63ad7b", "4c8a63", "6aa598", "d3bb92", "ffffff ffd84f e8788a", 0.1
    ),
    _season("late summer", "c6d47a", "86ad52 a3b95a 6c9c58", "5a8a62", "7ba79a", "d9bf93", "ffd84f f3f0d0", 0.0),
    _season("autumn", "dcc680", "e58a45 d9603f efb450 c9773c", "6f8a5c", "a3a088", "cfae85", "f4e3b0", 0.15),
    _season("winter", "eef3fa", "c9d6e6 dbe4f0 b7c7da", "7f9fae", "a9bfd4", "e3e6ee", "", 1.0),
)


def season_of(rng: Rng) -> Season:
    """Returns the season of a scene."""
    return rng.part("season").pick(SEASONS)


# Sky gradients from zenith to horizon, at full level.
SKIES = {
    "day": (
        ramp("3f8fe0 6fb9f2 aee0f8 e8f8fc"),
        ramp("2a6fd0 559fe8 9ad0f5 dff3fb"),
        ramp("46b0dc 84d2ea bfecee f4fcf2"),
        ramp("93bfe6 bddaf0 dfeef7 fdf9f0"),
        ramp("93a6e8 b9c3f3 dfd6f4 fcebec"),
        ramp("b4c3d3 cbd6df e2e8ec f4f3ee"),
    ),
    "dusk": (
        ramp("3d4384 8f609a ec8f6c ffd88e"),
        ramp("5f66ad b087c4 f5a9b2 ffe2c4"),
        ramp("47204f 9c3554 e6583f ffb565"),
        ramp("7595b5 c9b795 f8c674 fff0ba"),
        ramp("22587a 5799a0 dcbd92 ffdca0"),
        ramp("2f2f6a 6a4a94 c0689c ffb09a"),
    ),
    "night": (
        ramp("0c1a44 17386c 2f5f9c 6496c4"),
        ramp("072430 0f4656 23727c 76b6a6"),
        ramp("150e38 302068 5c4694 a080b8"),
        ramp("0c1222 182438 2a4058 486480"),
        ramp("101c50 1d3a80 3a68b0 7aa6d8"),
    ),
    "backlit": (
        ramp("9cc0e0 d4dfe0 fff3cc fffce6"),
        ramp("c8a0b4 f0c0a8 ffdf9c fff4cc"),
        ramp("86b8c8 c0dcd8 f0f4dc fffef0"),
        ramp("6f8fc0 b4b8d8 ffd8c0 fff0d0"),
    ),
    "interior": (
        ramp("0b1030 141f4a 24386a 3c5484"),
        ramp("181030 2c1c4c 4a3468 745078"),
        ramp("0a1a28 122c40 1f485c 346878"),
    ),
}  # fmt: skip

"""Kinds of scenes by name."""

from collections.abc import Callable

from drujax.data.scenes.bedroom import bedroom
from drujax.data.scenes.canvas import Canvas
from drujax.data.scenes.classroom import classroom
from drujax.data.scenes.coast import coast
from drujax.data.scenes.lighting import Light
from drujax.data.scenes.rng import Rng
from drujax.data.scenes.settled import city, road, village
from drujax.data.scenes.tatami import tatami
from drujax.data.scenes.wilderness import forest, lake, meadow, mountains

_PAINTERS = (mountains, lake, coast, meadow, village, city, road, forest, bedroom, classroom, tatami)

KINDS: dict[str, Callable[[Canvas, Light, Rng], None]] = {painter.__name__: painter for painter in _PAINTERS}

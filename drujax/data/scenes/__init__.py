"""Procedural anime scenery with known ground truth: any scene under any illumination, at any size.

    paint(seed, index, (256, 256))                          # random illumination
    paint(seed, index, (256, 256), Lighting("night", 0.4))  # the same scene, another illumination
    dark, bright = pair(seed, index, (256, 256))            # a pixel-aligned pair
    dark, bright = situation("neon", 0, (256, 256))         # one of the situations that enhancing gets wrong

Uses NumPy only and no global state: an image depends only on the arguments.
"""

from drujax.data.scenes.compose import KINDS
from drujax.data.scenes.lighting import LIGHT_KINDS, Lighting
from drujax.data.scenes.scene import draw_lighting, illumination, kind_of, paint, pair
from drujax.data.scenes.situations import SITUATIONS, situation

__all__ = [
    "KINDS",
    "LIGHT_KINDS",
    "SITUATIONS",
    "Lighting",
    "draw_lighting",
    "illumination",
    "kind_of",
    "pair",
    "paint",
    "situation",
]

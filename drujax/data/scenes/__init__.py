"""Procedural anime scenery whose truth is known: every scene can be painted under any light, at any size.

    paint(seed, index, (256, 256))                          # under a light of the scene's own
    paint(seed, index, (256, 256), Lighting("night", 0.4))  # the same scene, another light
    dark, bright = pair(seed, index, (256, 256))            # the same scene twice, pixel for pixel

NumPy alone, no global state: a picture depends on its arguments and nothing else.
"""

from drujax.data.scenes.compose import KINDS
from drujax.data.scenes.lighting import LIGHT_KINDS, Lighting
from drujax.data.scenes.scene import draw_lighting, kind_of, paint, pair

__all__ = ["KINDS", "LIGHT_KINDS", "Lighting", "draw_lighting", "kind_of", "pair", "paint"]

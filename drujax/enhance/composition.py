"""What is taken from a network's output: the exposure and part of the colour, as gains on a coarse grid.

A network sees a picture at working scale, where its output may be blotched, blurred or shifted in colour. So its pixels
are not used, but two smooth functions of place that are fitted to them, and applied to the picture's own pixels at full
size (`drujax.enhance.application`):

* the exposure: the logarithm of the gain in luma is locally a linear function of the logarithm of luma. Equal
  neighbours stay equal, lines and texture are those of the picture, and nothing becomes darker than it was;
* the colour: gains of red, green and blue that vary with the place, so that a blue night loses some of its blue where
  the network takes it away. Pixels get as much of them as they have of that cast themselves, so lamps stay as they are.
"""

import math
from typing import Any, NamedTuple

from jaxtyping import Float

from drujax.pictures.color import DARKEST, luma

# The largest gain of luma, and of a channel over the others: what noise and 8-bit steps may be multiplied by.
MAX_GAIN, MAX_TINT = math.log(8), math.log(2)
# The largest channel m of a pixel becomes at most m ** (1 - HEADROOM): lights neither clip nor lose their colour and
# order, whatever the gain around them.
HEADROOM = 0.85
# Half the side of the windows, as shares of the shorter side. Small ones keep the contrast of texture, since within
# them the gain is nearly constant; colour casts are wide.
RADIUS, TINT_RADIUS = 0.08, 0.25
# Variance of log luma below which a window counts as even and gets one gain: where the gain followed the texture of
# what is dark, it would flatten it.
TEXTURE = 0.3
# Share of the network's gain, in stops, that is applied.
EXPOSURE = 0.75
# Share of the network's change of colour that is applied.
TINT = 0.85
# Difference of a tint's log gains of red and blue from which it takes a cast away; below, all pixels get less of it.
CAST = 0.05
# Mean saturation (the range of R, G, B over luma) from which a picture counts as coloured.
COLOURED = 0.1


class Gains(NamedTuple):
    """Log gains on the grid: luma's as slope and offset over log luma, and those of red, green and blue."""

    exposure: Float[Any, "*b gh gw 2"]
    tint: Float[Any, "*b gh gw 3"]


def gains(image: Float[Any, "b h w 3"], enhanced: Float[Any, "b h w 3"]) -> Gains:
    """Returns the gains from an image to the network's output, both at working scale and nominally in [0, 1].

    `drujax/enhance/export/composition.py` is the same in ONNX, so that enhancing with another runtime imports no JAX.
    """
    import jax.numpy as jnp

    from drujax.models.layers.guided_filter import fit

    enhanced = jnp.clip(enhanced, 0, 1)
    guide, target = (jnp.log(luma(x) + DARKEST) for x in (image, enhanced))
    gain = jnp.clip(EXPOSURE * (target - guide), 0, MAX_GAIN)
    exposure = fit(guide, gain[..., None], radius=RADIUS, regularisation=TEXTURE)
    change = jnp.log((enhanced + DARKEST) / (image + DARKEST)) - (target - guide)[..., None]
    # A grey picture stays grey, and an almost grey one nearly so.
    colour = (image.max(-1) - image.min(-1)).mean((1, 2)) / (luma(image).mean((1, 2)) + DARKEST)
    share = TINT * jnp.minimum(colour / COLOURED, 1)[:, None, None, None]
    tint = share * jnp.clip(change, -MAX_TINT, MAX_TINT)
    # Weighted by luma: the colour of what is almost black is noise. Infinite regularisation leaves the mean.
    weight = luma(enhanced)[..., None] + DARKEST
    means = fit(guide, jnp.concatenate([tint * weight, weight], -1), radius=TINT_RADIUS, regularisation=math.inf).offset
    return Gains(jnp.concatenate(exposure, -1), means[..., :3] / means[..., 3:])

"""Gains of a coarse grid, applied to a picture at full size by libvips: in strips, on all cores."""

from typing import Any

import numpy as np

from drujax.enhance.composition import CAST, HEADROOM, MAX_GAIN, Gains
from drujax.pictures import vips
from drujax.pictures.color import DARKEST, LUMA_WEIGHTS
from drujax.pictures.resampling import enlarged


def apply(picture: Any, gains: Gains, strength: float, *, rounding: str = "nearest") -> Any:
    """Returns a picture with the gains applied, as a lazy image of the same format.

    Args:
        picture: a lazy image: RGB, of 8 or 16 bits or floats in 0..1.
        gains: of this one picture, without the batch's dimension.
        strength: factor of the log gains: 0 none, 1 all; more than 1 raises the exposure further, within the same
            bounds.
        rounding: of levels, "nearest" or "floor".
    """
    height, width, top = picture.height, picture.width, vips.top(picture)
    exposure, tint = (vips.library().Image.new_from_array(np.asarray(x, np.float32)) for x in gains)
    image = picture.linear(1 / top, 0)
    under = _under_cast(image, tint)
    # At the strength wanted, and last at full strength, by which the headroom is measured; often these are one.
    tinted = [
        image * (enlarged((tint * share).exp() - 1, height, width) * under + 1)
        for share in dict.fromkeys((min(strength, 1.0), 1.0))
    ]
    # Lamps are brighter than the samples of the fit; extrapolation must neither dim them nor make them white.
    headroom = (_largest(tinted[-1]) + DARKEST).log() * -HEADROOM
    slope, offset = enlarged(exposure, height, width).bandsplit()
    gain = (slope * (_luma(image) + DARKEST).log() + offset) * max(strength, 1.0)
    gain = gain.minpair(headroom).clamp(min=0, max=MAX_GAIN)
    enhanced = tinted[0] * (gain * min(strength, 1.0)).exp()
    if picture.format == "float":
        return enhanced.clamp(min=0, max=1)
    # A cast truncates, and clips. A tint at most neutralises a cast, so only green may exceed white, by a little.
    return enhanced.linear(top, 0.5 if rounding == "nearest" else 0).cast(picture.format)


def _under_cast(image: Any, tint: Any) -> Any:
    """How far each pixel has the cast that the tint takes away: 1 as much, 0 not at all, or that of the other side.

    What is neutral in a blue night is a lamp or the moon. With the night's tint it would be orange.
    """
    change = tint[0] - tint[2]
    per_change = enlarged(change / (change**2 + CAST**2), image.height, image.width)
    cast = (image[2] + DARKEST).log() - (image[0] + DARKEST).log()  # of blue over red
    return (cast * per_change).clamp(min=0, max=1)


def _largest(image: Any) -> Any:
    """The largest channel."""
    return image[0].maxpair(image[1]).maxpair(image[2])


def _luma(image: Any) -> Any:
    return image.recomb(vips.library().Image.new_from_array([list(LUMA_WEIGHTS)]))

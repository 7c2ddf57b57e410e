"""Gains of a coarse grid, applied to a picture at full size by libvips: in strips, on all cores."""

from typing import Any

import numpy as np

from drujax.enhance.composition import HEADROOM, MAX_GAIN, Gains
from drujax.pictures import vips
from drujax.pictures.color import DARKEST, LUMA_WEIGHTS
from drujax.pictures.resampling import enlarged


def apply(picture: Any, gains: Gains, strength: float, *, rounding: str = "nearest") -> Any:
    """Returns a picture with the gains applied, as a lazy image of the same format.

    A colour that would exceed white keeps its luma and hue and loses saturation.

    Args:
        picture: a lazy image: RGB, of 8 or 16 bits or floats in 0..1.
        gains: of this one picture, without the batch's dimension.
        strength: factor of the log gains: 0 none, 1 all.
        rounding: of levels, "nearest" or "floor".
    """
    height, width, top = picture.height, picture.width, vips.top(picture)
    exposure, tint = (vips.library().Image.new_from_array(np.asarray(x, np.float32)) for x in gains)
    image = picture.linear(1 / top, 0)
    tinted = [image * enlarged((tint * share).exp(), height, width) for share in dict.fromkeys((strength, 1.0))]
    largest = _largest(tinted[-1])
    # Lamps are brighter than the samples of the fit; extrapolation must neither dim them nor make them white.
    headroom = (largest + DARKEST).log() * -HEADROOM
    slope, offset = enlarged(exposure, height, width).bandsplit()
    gain = (slope * (_luma(image) + DARKEST).log() + offset).minpair(headroom).clamp(min=0, max=MAX_GAIN)
    factor = (gain * strength).exp()
    grey = (_luma(tinted[0]) * factor).clamp(min=0, max=1)
    excess = (largest if len(tinted) == 1 else _largest(tinted[0])) * factor - grey
    # The saturation at which the largest channel is white.
    share = ((grey * -1 + 1) / excess.clamp(min=1e-6, max=1e6)).clamp(min=0, max=1)
    # Rounded by a cast, which truncates and clips.
    half = 0.5 if picture.format != "float" and rounding == "nearest" else 0.0
    enhanced = tinted[0] * (factor * share * top) + (grey * (share * -1 + 1)).linear(top, half)
    return enhanced.clamp(min=0, max=1) if picture.format == "float" else enhanced.cast(picture.format)


def _largest(image: Any) -> Any:
    """The largest channel."""
    return image[0].maxpair(image[1]).maxpair(image[2])


def _luma(image: Any) -> Any:
    return image.recomb(vips.library().Image.new_from_array([list(LUMA_WEIGHTS)]))

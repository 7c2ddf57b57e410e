"""Gains of a coarse grid, applied to a picture at full size by libvips: in strips, on all cores."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from drujax.enhance.composition import HEADROOM, MAX_GAIN, Gains
from drujax.pictures import vips
from drujax.pictures.color import DARKEST, LUMA_WEIGHTS
from drujax.pictures.resampling import enlarged


def apply(
    rgb: Shaped[np.ndarray, "h w 3"], gains: Gains, strength: float, *, rounding: str = "nearest"
) -> Shaped[np.ndarray, "h w 3"]:
    """Returns a picture with the gains applied.

    A colour that would exceed white keeps its luma and hue and loses saturation.

    Args:
        rgb: uint8, uint16 or float32 in 0..1, in C order.
        gains: of this one picture, without the batch's dimension.
        strength: factor of the log gains: 0 none, 1 all.
        rounding: of levels, "nearest" or "floor".
    """
    pyvips = vips.library()
    height, width, _ = rgb.shape
    top = 1.0 if rgb.dtype == np.float32 else float(np.iinfo(rgb.dtype).max)
    image = pyvips.Image.new_from_array(rgb).cast("float") * (1 / top)
    exposure, tint = (enlarged(pyvips.Image.new_from_array(np.asarray(x, np.float32)), height, width) for x in gains)
    enhanced = _enhanced(image, exposure, tint, strength) * top
    if rgb.dtype == np.float32:
        return enhanced.numpy()
    enhanced = enhanced.rint() if rounding == "nearest" else enhanced.floor()
    return enhanced.cast("uchar" if rgb.dtype == np.uint8 else "ushort").numpy()


def _enhanced(image: Any, exposure: Any, tint: Any, strength: float) -> Any:
    """Returns the enhanced image, in 0..1; images are lazy and of one size."""
    guide = (_luma(image) + DARKEST).log()
    # Lamps are brighter than the samples of the fit; extrapolation must neither dim them nor make them white.
    gain = (exposure[0] * guide + exposure[1]).minpair(guide * -HEADROOM).clamp(min=0, max=MAX_GAIN)
    colour = image * ((gain + tint) * strength).exp()
    grey = _luma(colour).clamp(min=0, max=1)
    most = colour[0].maxpair(colour[1]).maxpair(colour[2])
    # The saturation at which the largest channel is white; colour - grey is 0 where most = grey.
    share = ((grey * -1 + 1) / (most - grey).clamp(min=1e-6, max=1e6)).clamp(min=0, max=1)
    return ((colour - grey) * share + grey).clamp(min=0, max=1)


def _luma(image: Any) -> Any:
    return image.recomb(vips.library().Image.new_from_array([list(LUMA_WEIGHTS)]))

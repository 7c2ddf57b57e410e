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
    exposure, tint = (pyvips.Image.new_from_array(np.asarray(x, np.float32)) for x in gains)
    factors = [enlarged((tint * share).exp(), height, width) for share in dict.fromkeys((1.0, strength))]
    enhanced = _enhanced(image, enlarged(exposure, height, width), factors[0], factors[-1], strength) * top
    if rgb.dtype == np.float32:
        return enhanced.numpy()
    enhanced = enhanced.rint() if rounding == "nearest" else enhanced.floor()
    return enhanced.cast("uchar" if rgb.dtype == np.uint8 else "ushort").numpy()


def _enhanced(image: Any, exposure: Any, full_tint: Any, tint: Any, strength: float) -> Any:
    """Returns the enhanced image, in 0..1; images are lazy and of one size.

    Args:
        image: to enhance.
        exposure: slope and offset of the log gain over log luma.
        full_tint: gains of red, green and blue at strength 1, by which the headroom is measured at any strength.
        tint: the same at the strength wanted.
        strength: factor of the log gain.
    """
    guide = (_luma(image) + DARKEST).log()
    # Lamps are brighter than the samples of the fit; extrapolation must neither dim them nor make them white.
    headroom = (_most(image * full_tint) + DARKEST).log() * -HEADROOM
    gain = (exposure[0] * guide + exposure[1]).minpair(headroom).clamp(min=0, max=MAX_GAIN)
    colour = image * tint * (gain * strength).exp()
    grey = _luma(colour).clamp(min=0, max=1)
    most = _most(colour)
    # The saturation at which the largest channel is white; colour - grey is 0 where most = grey.
    share = ((grey * -1 + 1) / (most - grey).clamp(min=1e-6, max=1e6)).clamp(min=0, max=1)
    return ((colour - grey) * share + grey).clamp(min=0, max=1)


def _most(image: Any) -> Any:
    """The largest channel."""
    return image[0].maxpair(image[1]).maxpair(image[2])


def _luma(image: Any) -> Any:
    return image.recomb(vips.library().Image.new_from_array([list(LUMA_WEIGHTS)]))

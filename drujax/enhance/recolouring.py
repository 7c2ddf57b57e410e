"""A picture with other colours, and everything else as it was."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

from drujax.pictures.color import luma
from drujax.pictures.picture import Picture
from drujax.pictures.tone_curve import curve_of

Colours = Shaped[np.ndarray, "h w 3"]
Opacity = Shaped[np.ndarray, "h w"] | None


def recoloured(picture: Picture, change: Callable[[Colours, Opacity], Shaped[np.ndarray, "h2 w2 3"]]) -> Picture:
    """Returns the picture with its colours changed; a grey one stays grey. The same object if nothing changes.

    Args:
        picture: of any profile.
        change: colours and opacity, on sRGB's curve -> colours in the same dtype, which may lack the last rows and
            columns.
    """
    curve = curve_of(picture, grey=picture.grey)
    if curve is None:
        rgb = change(picture.rgb, picture.alpha)
    else:
        rgb = change(curve.encoded(picture.rgb), curve.deep(picture.alpha))
    if (picture.rgb == picture.rgb[..., :1]).all():
        grey = np.rint(np.asarray(luma(rgb))).astype(rgb.dtype)
        rgb = np.repeat(grey[..., None], 3, axis=-1)
    if curve is not None:
        rgb = curve.decoded(rgb, picture.rgb.dtype)
    if np.array_equal(rgb, picture.rgb):
        return picture
    alpha = picture.alpha
    if alpha is not None and alpha.shape != rgb.shape[:2]:
        alpha = alpha[: rgb.shape[0], : rgb.shape[1]]
    return dataclasses.replace(picture, rgb=rgb, alpha=alpha)

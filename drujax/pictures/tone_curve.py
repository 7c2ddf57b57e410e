"""Tone curves of colour profiles that differ from sRGB's: Adobe RGB, gamma 1.8, linear light.

Networks and gains expect levels on sRGB's curve. Of other primaries (Display P3) they see the numbers as they are,
which makes a smaller difference than can be seen.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt16

from drujax.pictures import color_profile, vips
from drujax.pictures.picture import Metadata

LEVELS = 65536
# Largest difference from sRGB's curve, in its own levels (of 1), that is none.
SAME = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class ToneCurve:
    """Both directions between levels of 16 bits on a profile's curve and on sRGB's."""

    to_srgb: UInt16[np.ndarray, "65536"]
    from_srgb: UInt16[np.ndarray, "65536"]

    def encoded(self, samples: Shaped[np.ndarray, "*shape"]) -> UInt16[np.ndarray, "*shape"]:
        """Returns samples of 8 or 16 bits on sRGB's curve."""
        return (self.to_srgb[::257] if samples.dtype == np.uint8 else self.to_srgb)[samples]

    def decoded(self, samples: UInt16[np.ndarray, "*shape"], dtype: Any) -> Shaped[np.ndarray, "*shape"]:
        """Returns samples on sRGB's curve as those of the profile, of 8 or 16 bits: the inverse."""
        return self._decoding(dtype)[samples]

    @staticmethod
    def deep(alpha: Shaped[np.ndarray, "h w"] | None) -> UInt16[np.ndarray, "h w"] | None:
        """Returns the opacity that goes with `encoded` samples, of 16 bits."""
        return alpha.astype(np.uint16) * 257 if alpha is not None and alpha.dtype == np.uint8 else alpha

    def encoded_image(self, image: Any) -> Any:
        """Returns a lazy image of 8 or 16 bits, RGB or RGBA, on sRGB's curve and of 16 bits."""
        table = self.to_srgb[::257] if image.format == "uchar" else self.to_srgb
        colours = image[:3].maplut(_table(table))
        if image.bands == 4:
            alpha = image[3]
            colours = colours.bandjoin((alpha * 257).cast("ushort") if image.format == "uchar" else alpha)
        return vips.interpreted(colours)

    def decoded_image(self, image: Any, format: str) -> Any:
        """Returns a lazy image on sRGB's curve as one of the profile, in libvips's `format`, uchar or ushort."""
        return vips.interpreted(image.maplut(_table(self._decoding(np.uint8 if format == "uchar" else np.uint16))))

    def _decoding(self, dtype: Any) -> np.ndarray:
        return ((self.from_srgb.astype(np.uint32) + 128) // 257).astype(dtype) if dtype == np.uint8 else self.from_srgb


def curve_of(described: Metadata, *, grey: bool) -> ToneCurve | None:
    """Returns the tone curve that a file declares by a profile, or PNG's chunks; None if it is sRGB's, or unusable."""
    profile = described.icc_profile or color_profile.of_png(described.chunks, grey=grey)[0]
    return _curve(profile) if profile else None


@functools.lru_cache(maxsize=8)
def _curve(profile: bytes) -> ToneCurve | None:
    space = color_profile.color_space(profile)
    if space not in (b"RGB ", b"GRAY"):
        return None
    own = np.arange(LEVELS, dtype=np.uint16)
    ramp = own[None] if space == b"GRAY" else np.repeat(own[None, :, None], 3, -1)
    image = vips.interpreted(vips.library().Image.new_from_array(ramp))
    image.set_type(vips.library().GValue.blob_type, "icc-profile-data", profile)
    try:
        converted = image.icc_transform("srgb", embedded=True, intent="relative", depth=16).numpy()
    except vips.library().Error:
        return None
    levels = np.maximum.accumulate(converted[0, :, 1].astype(np.int64))  # neutrals stay neutral: green is as the others
    if levels[-1] == levels[0] or np.abs(levels - own).max() < SAME * (LEVELS - 1):
        return None
    wanted = np.arange(LEVELS)
    inverse = np.rint(np.interp(wanted, levels, wanted)).astype(np.uint16)
    return ToneCurve(levels.astype(np.uint16), inverse)


def _table(levels: np.ndarray) -> Any:
    return vips.library().Image.new_from_array(np.ascontiguousarray(levels)[None])

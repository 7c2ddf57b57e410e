"""Conversion of CMYK pixels to RGB."""

import dataclasses
import io

import numpy as np
from PIL import ImageCms

from drujax.errors import UsageError
from drujax.pictures import color_profile, vips
from drujax.pictures.stored import Stored


def to_rgb(stored: Stored) -> Stored:
    """Converts `stored`, whose first four channels are CMYK (0 is no ink), to sRGB; keeps an alpha channel.

    An embedded CMYK profile is applied and dropped. Without one, or with a profile of another colour space, ideal inks
    are assumed.

    Raises:
        UsageError: the profile cannot be read.
    """
    samples, profile = stored.samples, stored.metadata.icc_profile
    space = _color_space(profile) if profile else None
    notes = stored.notes
    if profile and space == "CMYK":
        rgb = _through_profile(samples[..., :4], profile)
    else:
        rgb = _ideal_inks(samples[..., :4])
        notes += (f"the colour profile, which describes {space} and not CMYK",) if profile else ()
    rgb = np.concatenate([rgb, samples[..., 4:5]], axis=-1) if samples.shape[2] > 4 else rgb
    metadata = dataclasses.replace(stored.metadata, icc_profile=None)
    return dataclasses.replace(stored, samples=rgb, metadata=metadata, notes=notes)


def _color_space(profile: bytes) -> str:
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError) as error:
        raise _unusable(error) from error
    return color_profile.color_space(profile).decode("latin-1").strip()


def _ideal_inks(cmyk: np.ndarray) -> np.ndarray:
    full = np.iinfo(cmyk.dtype).max
    reflected = full - cmyk.astype(np.uint32)
    return ((reflected[..., :3] * reflected[..., 3:] + full // 2) // full).astype(cmyk.dtype)


def _through_profile(cmyk: np.ndarray, profile: bytes) -> np.ndarray:
    image = vips.library().Image.new_from_array(np.ascontiguousarray(cmyk)).copy(interpretation="cmyk")
    image.set_type(vips.library().GValue.blob_type, "icc-profile-data", profile)
    try:
        depth = 8 * cmyk.dtype.itemsize
        return vips.pixels(image.icc_transform("srgb", embedded=True, intent="perceptual", depth=depth))
    except vips.library().Error as error:
        raise _unusable(vips.reason(error)) from error


def _unusable(why: object) -> UsageError:
    return UsageError(f"its CMYK colour profile cannot be used ({why}); save it as RGB first")

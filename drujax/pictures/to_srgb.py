"""Conversion of colours to sRGB, for formats that cannot hold a profile: without it they would be shown wrongly."""

import dataclasses

import numpy as np

from drujax.pictures import color_profile, vips
from drujax.pictures.picture import Picture

CONVERTED = "the colour profile, whose colours are converted to sRGB"


def converted(picture: Picture) -> tuple[Picture, tuple[str, ...]]:
    """Returns the picture in sRGB and without profile, and what is dropped; unchanged if the profile is unusable."""
    profile = picture.icc_profile
    grey = profile is not None and color_profile.color_space(profile) == b"GRAY"
    if profile is None or (not grey and color_profile.color_space(profile) != b"RGB "):
        return picture, ()
    if grey and not picture.grey:
        return picture, ()
    samples = picture.rgb[..., 0] if grey else picture.rgb
    image = vips.interpreted(vips.library().Image.new_from_array(np.ascontiguousarray(samples)))
    image.set_type(vips.library().GValue.blob_type, "icc-profile-data", profile)
    depth = 8 * samples.dtype.itemsize
    try:
        rgb = image.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=depth
        ).numpy()
    except vips.library().Error:
        return picture, ()
    if picture.grey:
        rgb = np.repeat(rgb[..., 1:2], 3, axis=-1)
    return dataclasses.replace(picture, rgb=np.ascontiguousarray(rgb), icc_profile=None), (CONVERTED,)

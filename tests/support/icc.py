"""ICC profiles of displays, made for tests."""

from drujax.pictures import color_profile

ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


def profile_of(
    primaries: tuple[tuple[float, float], ...] = color_profile.SRGB_PRIMARIES,
    curve: tuple[float, ...] = color_profile.SRGB_CURVE,
    *,
    grey: bool = False,
) -> bytes:
    """A profile with these primaries, a white of D65, and a gamma, or sRGB's curve."""
    return color_profile.display_profile((color_profile.D65_WHITE, *primaries), curve, grey=grey)

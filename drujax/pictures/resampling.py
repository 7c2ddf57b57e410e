"""Enlarging lazy images of libvips."""

from typing import Any

from drujax.pictures import vips


def enlarged(image: Any, height: int, width: int) -> Any:
    """Returns an image of that size, bilinear between the pixels' centres and constant beyond them.

    libvips' own `resize` aligns corners when it enlarges.
    """
    across, down = width / image.width, height / image.height
    return image.affine(
        [across, 0, 0, down],
        odx=(across - 1) / 2,
        ody=(down - 1) / 2,
        oarea=[0, 0, width, height],
        extend="copy",
        interpolate=vips.library().Interpolate.new("bilinear"),
    )

"""Resizing lazy images of libvips."""

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


def resized(image: Any, height: int, width: int) -> Any:
    """Returns an image of that size: reduced by Lanczos' filter, which may overshoot, or enlarged as by `enlarged`."""
    across, down = min(1.0, width / image.width), min(1.0, height / image.height)
    if across < 1 or down < 1:
        image = image.resize(across, vscale=down, kernel="lanczos3")
    return image if (image.width, image.height) == (width, height) else enlarged(image, height, width)

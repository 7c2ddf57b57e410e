"""Pillow's images as pictures, and back."""

import sys
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.pictures.picture import Picture

MODES = ("RGB", "RGBA", "L", "LA", "P", "PA", "1", "I;16")


def is_pillow(image: Any) -> bool:
    """Whether something is an image of Pillow, which is not imported for that."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def picture_of(image: Any) -> Picture:
    """Returns the pixels of a Pillow image as a picture. Its orientation in EXIF is not applied.

    Raises:
        UsageError: a mode of other colours, such as CMYK, or an image without pixels.
    """
    if image.mode not in MODES:
        raise UsageError(
            f"image: Pillow's mode {image.mode} is not one of {', '.join(MODES)}; .convert('RGB') makes one"
        )
    if not (image.width and image.height):
        raise UsageError(f"image: has no pixels ({image.width}x{image.height})")
    if image.mode in ("P", "PA", "1"):
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    samples = np.asarray(image)
    samples = samples.reshape(*samples.shape[:2], -1)
    alpha = samples[..., -1].copy() if samples.shape[2] in (2, 4) else None
    colours = samples[..., :1] if samples.shape[2] < 3 else samples[..., :3]
    grey = samples.shape[2] < 3
    return Picture(rgb=np.ascontiguousarray(np.broadcast_to(colours, (*samples.shape[:2], 3))), alpha=alpha, grey=grey)


def image_of(picture: Picture, like: Any) -> Any:
    """Returns a Pillow image of a picture that `picture_of` made of another one, with the information of that."""
    from PIL import Image

    colours = picture.rgb[..., 0] if picture.grey else picture.rgb
    samples = colours if picture.alpha is None else np.dstack([colours, picture.alpha])
    image = Image.fromarray(samples)
    image.info = {name: value for name, value in like.info.items() if name != "transparency"}
    return image

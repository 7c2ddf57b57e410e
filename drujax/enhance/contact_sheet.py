"""A contact sheet: small copies of all pictures, before and after, with their names."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.pictures import vips
from drujax.pictures.grid import GAP, label
from drujax.pictures.io import write_picture
from drujax.pictures.picture import Picture
from drujax.pictures.resampling import resized
from drujax.pictures.series import Series
from drujax.pictures.streaming import Stream

WIDTH = 320  # of a small copy, in pixels
TALLEST = 4  # times its width, at most
# JPEG's limit on each side is 65,535 pixels.
MOST = 400

Rgb = UInt8[np.ndarray, "h w 3"]


class ContactSheet:
    """Collects pictures before and after, and draws them in pairs; at most the first 400."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str, Rgb, Rgb]] = []
        self.left_out = 0

    def add(self, name: str, before: Picture | Stream | Series, after: Picture | Stream | Series) -> None:
        """Adds a picture; only small copies are kept."""
        if len(self._pairs) == MOST:
            self.left_out += 1
            return
        self._pairs.append((name, _small(before), _small(after)))

    def write(self, path: Path) -> None:
        """Writes the sheet, in about the shape of a square, if there are pictures.

        Raises:
            UsageError: the suffix is none that is written.
            OSError: the file cannot be written.
        """
        if not self._pairs:
            return
        pair_width = 2 * WIDTH + 2 * GAP
        columns = max(1, round(math.sqrt(len(self._pairs) * WIDTH / pair_width)))
        rows = [self._pairs[first : first + columns] for first in range(0, len(self._pairs), columns)]
        heights = [max(before.shape[0] for _, before, _ in row) for row in rows]
        strip = label("", pair_width).height
        sheet = Image.new("RGB", (columns * pair_width, sum(heights) + len(rows) * (strip + 2 * GAP)), "white")
        top = 0
        for row, height in zip(rows, heights, strict=True):
            for column, (name, before, after) in enumerate(row):
                left = column * pair_width
                sheet.paste(label(name, pair_width), (left, top))
                sheet.paste(Image.fromarray(before), (left, top + strip))
                sheet.paste(Image.fromarray(after), (left + WIDTH + GAP, top + strip))
            top += strip + height + 2 * GAP
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, Picture(rgb=np.asarray(sheet)))


def _small(picture: Picture | Stream | Series) -> Rgb:
    if isinstance(picture, Series):  # the first of them
        picture = picture.changed(0, next(picture.pictures()))
    if isinstance(picture, Stream):
        with picture.changed() as image:
            return _small_image(image)
    return _small_image(vips.of_array(np.ascontiguousarray(picture.rgb), picture.alpha))


def _small_image(image: Any) -> Rgb:
    image = image / (vips.top(image) / 255)
    if image.bands in (2, 4):  # what is transparent is white, as the sheet
        opacity = image[image.bands - 1] / 255
        colours = image[0] if image.bands == 2 else image[:3]
        image = colours * opacity + (1 - opacity) * 255
    if image.bands == 1:
        image = image.bandjoin([image, image])
    height = min(max(1, round(image.height * WIDTH / image.width)), TALLEST * WIDTH)
    return vips.pixels((resized(image, height, WIDTH) + 0.5).cast("uchar"))

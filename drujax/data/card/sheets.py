"""Thumbnails of some of a split's pictures."""

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.data.card.content import Sheet, Thumbnail
from drujax.data.dataset import Split
from drujax.data.records import Metadata

HEIGHT, WIDEST = 80, 142  # of a thumbnail, pixels: eight fit into a row of the page
QUALITY = 80
SHOWN = 8  # thumbnails in a sheet


def sheet(title: str, split: Split, value: Callable[[Metadata], float], caption: Callable[[Metadata], str]) -> Sheet:
    """Shows SHOWN pictures from the lowest to the highest `value`, evenly spaced in rank."""
    table = split.table
    ranked = sorted(range(len(table)), key=lambda index: (value(table[index]), table[index].id))
    places = np.linspace(0, len(ranked) - 1, min(SHOWN, len(ranked))).round().astype(int).tolist()
    chosen = [ranked[place] for place in places]
    shown = [Thumbnail(thumbnail(split.image(index)), table[index].id, caption(table[index])) for index in chosen]
    return Sheet(title, shown)


def thumbnail(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Encodes a small JPEG of an image, cropped to its centre if it is wider than 16:9."""
    small = Image.fromarray(image)
    width = max(1, round(small.width * HEIGHT / small.height))
    small = small.resize((width, HEIGHT), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if width > WIDEST:
        left = (width - WIDEST) // 2
        small = small.crop((left, 0, left + WIDEST, HEIGHT))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()

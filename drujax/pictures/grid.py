"""Images in rows and columns, with labels."""

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from drujax.pictures import vips

LABEL_HEIGHT = 28
GAP = 4
FRAME = (255, 210, 0)

Pixels = UInt8[np.ndarray, "_ _ 3"]


class Box(NamedTuple):
    """A rectangle in an image, in pixels."""

    x: int
    y: int
    w: int
    h: int


def draw(labels: Sequence[str], rows: Sequence[Sequence[Pixels]], names: Sequence[str] | None = None) -> Pixels:
    """Draws the grid, with `labels` above the columns and `names` along the rows.

    All images must have the same width, and those of a row the same height.
    """
    width = rows[0][0].shape[1]
    step, left = width + GAP, 0 if names is None else LABEL_HEIGHT
    height = LABEL_HEIGHT + sum(row[0].shape[0] + GAP for row in rows) - GAP
    canvas = Image.new("RGB", (left + step * len(labels) - GAP, height), "white")
    for column, title in enumerate(labels):
        canvas.paste(label(title, width), (left + column * step, 0))
    top = LABEL_HEIGHT
    for position, row in enumerate(rows):
        if names is not None:
            canvas.paste(label(names[position], row[0].shape[0]).transpose(Image.Transpose.ROTATE_90), (0, top))
        for column, picture in enumerate(row):
            canvas.paste(Image.fromarray(picture), (left + column * step, top))
        top += row[0].shape[0] + GAP
    return np.asarray(canvas)


def fitted(picture: Pixels, width: int) -> Pixels:
    """Resizes an image to `width`, keeping its aspect ratio."""
    h, w, _ = picture.shape
    if w == width:
        return picture
    filter_ = Image.Resampling.LANCZOS if width < w else Image.Resampling.BICUBIC  # Lanczos rings when upsampling
    return np.asarray(Image.fromarray(picture).resize((width, max(1, round(h * width / w))), filter_))


def detail(picture: Pixels, box: Box, width: int) -> Pixels:
    """Crops `box`, resizes it to `width` and draws a frame."""
    part = fitted(picture[box.y : box.y + box.h, box.x : box.x + box.w], width)
    return framed(part, Box(0, 0, part.shape[1], part.shape[0]), 1.0)


def framed(picture: Pixels, box: Box, scale: float) -> Pixels:
    """Draws a frame around `box`, scaled by `scale`."""
    image = Image.fromarray(picture)
    h, w, _ = picture.shape
    left, top = round(box.x * scale), round(box.y * scale)
    right = min(max(round((box.x + box.w) * scale), left + 1), w) - 1
    low = min(max(round((box.y + box.h) * scale), top + 1), h) - 1
    ImageDraw.Draw(image).rectangle((min(left, right), min(top, low), right, low), outline=FRAME, width=2)
    return np.asarray(image)


def label(text: str, room: int) -> Image.Image:
    """Draws text centred on a strip of width `room`, truncating it if necessary.

    Pillow's own font, which is the same everywhere, has ASCII only; other text is drawn with the fonts of the machine.
    """
    text = "".join(letter if letter.isprintable() else "?" for letter in text)  # a line break, bytes that are no text
    strip, font = Image.new("RGB", (room, LABEL_HEIGHT), "white"), ImageFont.load_default(15)
    if not text.isascii() and vips.library().type_find("VipsOperation", "text"):  # it may be built without Pango
        shown = text
        while (ink := _ink(shown)).width > room and len(text) > 1:
            text = text[:-1]
            shown = f"{text}..."
        strip.paste("black", ((room - ink.width) // 2, (LABEL_HEIGHT - ink.height) // 2), ink)
        return strip
    shown = text
    while len(text) > 1 and font.getlength(shown) > room:
        text = text[:-1]
        shown = f"{text}..."
    ImageDraw.Draw(strip).text((room / 2, LABEL_HEIGHT / 2), shown, fill="black", font=font, anchor="mm")
    return strip


def _ink(text: str) -> Image.Image:
    """Draws text as a mask of its size, by Pango, which looks for each letter in all fonts."""
    return Image.fromarray(vips.pixels(vips.library().Image.text(html.escape(text), font="sans 11", dpi=96)))

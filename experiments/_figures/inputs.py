"""The images that a user names, read for a figure."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from drujax.errors import UsageError
from drujax.pictures.color import to_float, to_uint8
from drujax.pictures.discovery import pictures_of
from drujax.pictures.grid import Box
from drujax.pictures.io import read_picture

Pixels = UInt8[np.ndarray, "_ _ 3"]


def given_pictures(
    inputs: Sequence[Path], rows: int, crops: Sequence[str] = ()
) -> tuple[list[tuple[str, Pixels, Box | None]], int]:
    """Reads the input images; returns (name, image, detail) of each, and the number of files that were skipped.

    Unreadable files in folders are reported and skipped.
    """
    from drujax.score.evaluation import spread

    paths = [(path, given) for given in inputs for path in pictures_of(given)]
    chosen = [paths[position] for position in spread(len(paths), rows)]
    if len(chosen) < len(paths):
        print(f"showing {len(chosen)} of {len(paths)} pictures (--rows)", file=sys.stderr)
    boxes: list[Box | None] = [parsed_box(text) for text in crops] or [None]
    if len(boxes) not in (1, len(chosen)):
        raise UsageError(f"--crop: must be given once, or once per picture ({len(chosen)}), got {len(boxes)}")
    boxes = boxes * len(chosen) if len(boxes) == 1 else boxes
    pictures, unreadable = [], 0
    for (path, given), box in zip(chosen, boxes, strict=True):
        try:
            rgb = read_picture(path).rgb
        except UsageError as error:
            if path == given:
                raise
            print(f"{error}; skipped", file=sys.stderr)
            unreadable += 1
            continue
        h, w, _ = rgb.shape
        if box is not None and (box.x + box.w > w or box.y + box.h > h):
            raise UsageError(f"--crop: {box.x},{box.y},{box.w},{box.h} exceeds {path}, which is {w}x{h}")
        name = path.name if path == given else str(path.relative_to(given))
        pictures.append((name, rgb if rgb.dtype == np.uint8 else to_uint8(to_float(rgb)), box))
    if not pictures:
        raise UsageError("INPUT: no readable pictures found")
    return pictures, unreadable


def parsed_box(text: str) -> Box:
    """Parses X,Y,W,H. Raises UsageError if it is invalid."""
    try:
        x, y, w, h = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--crop: must be X,Y,W,H in whole pixels, got {text!r}") from None
    if min(x, y) < 0 or min(w, h) < 1:
        raise UsageError(f"--crop: X and Y must be >= 0, W and H >= 1, got {text}")
    return Box(x, y, w, h)

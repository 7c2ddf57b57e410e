"""What is kept of a frame: three squares, as Scenimefy's script cuts them, or all of it."""

from typing import Literal

import numpy as np
from jaxtyping import UInt8

from drujax.errors import unknown

Crops = Literal["squares", "whole"]
CROPS: tuple[Crops, ...] = ("squares", "whole")


def check_crops(crops: str) -> None:
    """Raises UsageError if `crops` is not one of CROPS."""
    if crops not in CROPS:
        raise unknown("crops", crops, CROPS)


def crop(rgb: UInt8[np.ndarray, "h w 3"], crops: str) -> dict[str, UInt8[np.ndarray, "..."]]:
    """Cuts a frame into pictures by name.

    Args:
        rgb: the frame.
        crops: "squares" are as large as the shorter side: left, right and centre, of a tall frame top, bottom and
            centre, of a square one centre alone. "whole" is all of the frame, named "".

    Raises:
        UsageError: `crops` is neither.
    """
    check_crops(crops)
    height, width = rgb.shape[:2]
    if crops == "whole":
        return {"": rgb}
    side, rest = min(height, width), abs(height - width)
    if height > width:
        return {name: rgb[at : at + side] for name, at in (("top", 0), ("bottom", rest), ("centre", rest // 2))}
    sides = (("left", 0), ("right", rest)) if rest else ()
    return {name: rgb[:, at : at + side] for name, at in (*sides, ("centre", rest // 2))}

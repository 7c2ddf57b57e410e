"""Letterbox and pillarbox bars of a film."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from drujax.pictures.color import luma

BLACK = 12.0  # level of luma up to which a row or column is a bar, but for a hundredth of its pixels
SHARE = 0.1  # of the frames may have something in the bars: captions, credits
MARGIN = 2  # further rows or columns that are cut off, because coding mixes bar and picture
MOST = 0.4  # of the height or width at most is a bar on each side; a film with more has dark pictures


class Bars(NamedTuple):
    """Rows at the top and bottom each, and columns at the left and right each, that are cut off."""

    rows: int = 0
    columns: int = 0

    def without(self, rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        height, width = rgb.shape[:2]
        return rgb[self.rows : height - self.rows, self.columns : width - self.columns]


def find_bars(frames: Iterable[UInt8[np.ndarray, "h w 3"]]) -> Bars:
    """Finds the bars that frames from all over a film have in common.

    Bars are equal on opposite sides. A single dark picture has black borders without having bars, so no frame decides
    alone.
    """
    measured = [_black_border(rgb) for rgb in frames]
    if not measured:
        return Bars()
    rows, columns = np.quantile(np.array(measured), SHARE, axis=0, method="lower").tolist()
    return Bars(*(side + MARGIN if side else 0 for side in (rows, columns)))


def _black_border(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[int, int]:
    """Returns the black rows at the top and bottom each, and the black columns at the left and right each."""
    y = luma(rgb.astype(np.float32))
    return _border(np.quantile(y, 0.99, axis=1)), _border(np.quantile(y, 0.99, axis=0))


def _border(levels: np.ndarray) -> int:
    picture = np.flatnonzero(levels > BLACK)
    if not picture.size:
        return len(levels)  # a black frame has no say
    border = min(int(picture[0]), len(levels) - 1 - int(picture[-1]))
    return border if border <= MOST * len(levels) else 0

"""Letterbox and pillarbox bars of a film."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Shaped, UInt8

from drujax.pictures.color import luma

BLACK = 12.0  # level of luma up to which a row or column is a bar, but for a hundredth of its pixels
SHARE = 0.1  # of the frames may have something in the bars: captions, credits
MARGIN = 2  # further rows or columns that are cut off, because coding mixes bar and picture
MOST = 0.4  # of the height or width at most is a bar on each side; a film with more has dark pictures


class Bars(NamedTuple):
    """Rows at the top and bottom each, and columns at the left and right each, that are cut off."""

    rows: int = 0
    columns: int = 0

    def without(self, picture: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "h2 w2 *c"]:
        height, width = picture.shape[:2]
        return picture[self.rows : height - self.rows, self.columns : width - self.columns]


def find_bars(frames: Iterable[UInt8[np.ndarray, "h w 3"]], *, margin: int = MARGIN) -> Bars:
    """Finds the bars that frames from all over a film have in common.

    Bars are equal on opposite sides. A single dark picture has black borders without having bars, so no frame decides
    alone.

    Args:
        frames: all of one size.
        margin: further rows and columns that count as bars.
    """
    measured = [_black_border(luma(rgb.astype(np.float32))) for rgb in frames]
    measured = [border for border in measured if border is not None]
    if not measured:
        return Bars()
    rows, columns = np.quantile(np.array(measured), SHARE, axis=0, method="lower").tolist()
    return Bars(*(side + margin if side else 0 for side in (rows, columns)))


def _black_border(y: Float32[np.ndarray, "h w"]) -> tuple[int, int] | None:
    """Returns the black rows at the top and bottom each, and the columns at the sides each; None if all is black."""
    rows, columns = (np.flatnonzero(np.quantile(y, 0.99, axis=axis) > BLACK) for axis in (1, 0))
    if not rows.size or not columns.size:
        return None
    return _border(rows, y.shape[0]), _border(columns, y.shape[1])


def _border(picture: Int[np.ndarray, " k"], n: int) -> int:
    """Returns how many of n positions precede the first and follow the last of the picture, whichever is less."""
    border = min(int(picture[0]), n - 1 - int(picture[-1]))
    return border if border <= MOST * n else 0

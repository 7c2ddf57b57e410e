"""The gains that are taken from a network's output, as ONNX operators.

`drujax.enhance.composition.gains` for N C H W images of any size.
"""

import numpy as np

from drujax.enhance.composition import COLOURED, EXPOSURE, MAX_GAIN, MAX_TINT, RADIUS, TEXTURE, TINT, TINT_RADIUS
from drujax.enhance.export.graph import FLOAT, Value, concat, conv, positions
from drujax.models.layers.windows import GRID
from drujax.pictures.color import DARKEST, LUMA_WEIGHTS


def gains(image: Value, enhanced: Value) -> tuple[Value, Value]:
    """Returns the gains of exposure, n gh gw 2, and of the tint, n gh gw 3.

    Args:
        image: n 3 h w in 0..1.
        enhanced: the network's output, of the same size.
    """
    enhanced = enhanced.clip(0, 1)
    before, after = _luma(image), _luma(enhanced)
    guide, target = ((x + DARKEST).op("Log") for x in (before, after))
    gain = (EXPOSURE * (target - guide)).clip(0, MAX_GAIN)
    exposure = _fit(guide, gain, radius=RADIUS, regularisation=TEXTURE)
    change = ((enhanced + DARKEST) / (image + DARKEST)).op("Log") - (target - guide)
    largest, smallest = (_reduce(kind, image, 1) for kind in ("ReduceMax", "ReduceMin"))
    colour = _reduce("ReduceMean", largest - smallest, 2, 3) / (_reduce("ReduceMean", before, 2, 3) + DARKEST)
    share = TINT * (colour / COLOURED).op("Min", 1)
    tint = share * change.clip(-MAX_TINT, MAX_TINT)
    weight = after + DARKEST
    windows = _Windows(image, TINT_RADIUS)
    means = windows.smoothed(windows.means(concat([tint * weight, weight])))
    return _last(concat(exposure)), _last(means.sliced(1, 0, 3) / means.sliced(1, 3, 4))


def _fit(guide: Value, values: Value, *, radius: float, regularisation: float) -> list[Value]:
    """`drujax.models.layers.guided_filter.fit`: slope and offset, n 1 gh gw each."""
    windows = _Windows(guide, radius)
    shift = _reduce("ReduceMean", guide, 2, 3)
    centred = guide - shift
    mean_guide, mean_values = windows.means(centred), windows.means(values)
    variance = (windows.means(centred * centred) - mean_guide * mean_guide).op("Max", 0)
    covariance = windows.means(centred * values) - mean_guide * mean_values
    slope = covariance / (variance + regularisation)
    offset = mean_values - slope * (mean_guide + shift)
    return [windows.smoothed(x) for x in (slope, offset)]


class _Windows:
    """`drujax.models.layers.windows` of rows and columns; `radius` is a share of the shorter side."""

    def __init__(self, image: Value, radius: float):
        height, width = image.size(2), image.size(3)
        pixels = height.op("Min", width).cast(np.float32) * radius
        (self._rows, self._smooth_rows), columns = (_windows(n, pixels) for n in (height, width))
        self._columns, self._smooth_columns = (x.op("Transpose", perm=[1, 0]) for x in columns)

    def means(self, x: Value) -> Value:
        """Means over the windows: n c h w -> n c gh gw."""
        return self._rows @ x @ self._columns

    def smoothed(self, x: Value) -> Value:
        """Means over the places near each: n c gh gw -> the same."""
        return self._smooth_rows @ x @ self._smooth_columns


def _windows(n: Value, radius: Value) -> tuple[Value, Value]:
    """The weights of n pixels, and of g places, in the window around each place: g n, g g."""
    g = n.op("Min", GRID)
    side = n.cast(np.float32)
    places = (positions(0, g).cast(np.float32) + 0.5) * side / g.cast(np.float32)
    column = _column(places)
    first = (column - radius - 0.5).op("Max", 0)
    last = (column + radius + 0.5).op("Min", side)
    pixels = positions(0, n).cast(np.float32)
    covered = (last.op("Min", pixels + 1) - first.op("Max", pixels)).clip(0, 1)
    near = (column - places).op("Abs").op("LessOrEqual", radius + 0.5).op("Cast", to=FLOAT)
    return covered / _reduce("ReduceSum", covered, 1), near / _reduce("ReduceSum", near, 1)


def _column(x: Value) -> Value:
    return Value(x.graph, x.graph.op("Unsqueeze", x, np.array([1], np.int64)).name, x.dtype)


def _luma(x: Value) -> Value:
    return conv(x, np.reshape(LUMA_WEIGHTS, (1, 1, 3, 1)))


def _reduce(kind: str, x: Value, *axes: int) -> Value:
    """The mean or another reduction over axes, which stay with one element."""
    return Value(x.graph, x.graph.op(kind, x, np.array(axes, np.int64), keepdims=1).name, x.dtype)


def _last(x: Value) -> Value:
    """n c h w -> n h w c."""
    return x.op("Transpose", perm=[0, 2, 3, 1])

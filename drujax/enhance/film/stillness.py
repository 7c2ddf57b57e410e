"""Where a film stands still: the colours around each place of the gains' grid, and how far they have changed.

What stands still keeps its light. A network sees whole pictures: when something bright walks by, it gives other gains
to all that stands still, too, most of all close by. That difference is known where nothing changed, so it is taken off
what moves as well (`excess`): without it, whatever walks by would leave a trail of another light.
"""

import numpy as np
from jaxtyping import Float32

from drujax.enhance.working_scale import Small
from drujax.models.layers.windows import GRID
from drujax.pictures.color import DARKEST

Grid = Float32[np.ndarray, "gh gw _"]
Share = Float32[np.ndarray, "gh gw 1"]

# Half the side of the windows whose colours are compared, as a share of the shorter side: well inside of those in which
# gains are fitted, and wide enough to average grain.
WINDOW = 0.02
# Change of the colours, relative to their level, up to which a place stands still, and from which on it has changed.
STILL, CHANGED = 0.04, 0.12
# Luma below which a place stands still as far as its surroundings do: black stays black in whatever light.
DARK = 2 * DARKEST
# Half the side of the surroundings, as a share of the shorter side.
REACH = 0.15
# Share of the surroundings that stands still from which on they decide about what moves.
FEW = 0.05


def colours(small: Small) -> Grid:
    """Returns the mean colours around each place of the gains' grid."""
    height, width, _ = small.shape
    rows, columns = (min(n, GRID) for n in (height, width))  # which divide it, by `drujax.enhance.working_scale`
    blocks = small.reshape(rows, height // rows, columns, width // columns, 3).mean((1, 3), dtype=np.float32)
    return _over(blocks, WINDOW, small)


def changed(now: Grid, before: Grid, small: Small) -> Share:
    """Returns how far each place has changed since it had the colours `before`: 0 not at all, 1 entirely.

    Args:
        now, before: see `colours`.
        small: the frame.
    """
    level = np.maximum(now, before).mean(-1, keepdims=True) + np.float32(DARKEST)
    change = np.abs(now - before).mean(-1, keepdims=True) / level
    share = np.clip((change - np.float32(STILL)) / np.float32(CHANGED - STILL), 0, 1)
    visible = np.minimum(now.mean(-1, keepdims=True) / np.float32(DARK), 1) ** 2
    around = _around(np.concatenate([visible * share, visible], -1), small)
    return visible * share + (1 - visible) * around[..., :1] / np.maximum(around[..., 1:], np.float32(1e-6))


def excess(held: Grid, found: Grid, share: Share, now: Grid, small: Small) -> Grid:
    """Returns by how much the light found anew differs around each place from the one held, where nothing changed.

    Args:
        held, found: log gains, or anything linear in them.
        share: how far each place has changed.
        now: its colours; what is dark counts less.
        small: the frame.
    """
    level = now.mean(-1, keepdims=True)
    weight = np.where(share == 0, level / (level + np.float32(DARKEST)), np.float32(0))
    around = _around(np.concatenate([(found - held) * weight, weight], -1), small)
    return around[..., :-1] / (around[..., -1:] + np.float32(FEW))


def _around(grid: Grid, small: Small) -> Grid:
    """Means over the surroundings of each place, in which what is near counts more."""
    return _over(_over(grid, REACH, small), REACH, small)


def _over(grid: Grid, radius: float, small: Small) -> Grid:
    """Means over windows. By sums: for so little, threads of a matrix product take fifty times the time of one core."""
    height, width, _ = small.shape
    for axis, side in enumerate((height, width)):
        n = grid.shape[axis]
        reach = round(radius * min(height, width) * n / side)
        first, last = (np.clip(np.arange(n) + end, 0, n) for end in (-reach, reach + 1))
        sums = np.insert(grid.cumsum(axis, dtype=np.float64), 0, 0, axis)
        counts = np.expand_dims(last - first, (1 - axis, 2))
        grid = ((sums.take(last, axis) - sums.take(first, axis)) / counts).astype(np.float32)
    return grid

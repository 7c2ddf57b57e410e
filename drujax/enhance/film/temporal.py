"""The light of a film: that of single frames, held where the film stands still, and smoothed over time within a shot.

Only the gains' coarse grids and their factor are held and smoothed, never pixels, so that nothing leaves a ghost. All
of them are logarithms or their factors, so their mean is the geometric mean of the gains.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from drujax.enhance.composition import Gains
from drujax.enhance.film.stillness import Grid, Share, changed, colours, excess
from drujax.enhance.light import Light
from drujax.enhance.working_scale import Small

# Seconds in which the light comes nearer to that of the current frame by a factor of e.
SETTLING = 0.4
# Seconds between two frames that are looked at.
INTERVAL = 0.16
CLOSE = 1e-3  # factors below it change nothing
# Share of the picture that has changed from which on the factor, which is one for all of it, follows; and does fully.
PART, MOST = 0.25, 0.5
GRIDS = ("gains", "target", "seen", "seen_by_all")  # of the state


class SmoothLight:
    """Exponential smoothing of gains and strength (of first order, causal), which starts anew at every cut."""

    def __init__(self) -> None:
        self._gains: Grid | None = None  # slope and offset of the exposure, and the tint
        self._target: Grid | None = None
        self._seen: Grid | None = None  # the colours of each place when its target was found
        self._seen_by_all: Grid | None = None  # and when the strength's was
        self._strength = self._target_strength = 0.0
        self._time = self._looked = -math.inf

    def next(
        self,
        time: float,
        *,
        cut: bool,
        look: Callable[[], Small | None],
        find: Callable[[Small], Light | None],
    ) -> Light | None:
        """Returns the light of the next frame.

        Args:
            time: of the frame, in seconds.
            cut: whether it is the first of a shot.
            look: returns the frame at working scale, in 0..1; None where nothing of it is visible.
            find: computes the light of a frame at working scale, with gains for each place of
                `drujax.models.layers.windows`.
        """
        start = cut or math.isinf(self._time)
        if start:
            self._gains = self._target = self._seen = self._seen_by_all = None
        if start or time - self._looked >= INTERVAL - 1e-6 or time < self._looked:
            self._look(look(), find)
            self._looked = time
        share = 1.0 if start else -math.expm1(-max(0.0, time - self._time) / SETTLING)
        self._strength += share * (self._target_strength - self._strength)
        if self._target is not None:
            self._gains = _mixed(self._gains, self._target, share)
        self._time = time
        if self._gains is None or self._strength < CLOSE:
            return None
        return Gains(self._gains[..., :2], self._gains[..., 2:]), self._strength

    def _look(self, small: Small | None, find: Callable[[Small], Light | None]) -> None:
        """Finds the light of what has changed.

        A frame that is to stay as it is has no gains of its own, so those before are faded out.
        """
        if small is None:
            self._target_strength, self._seen_by_all = 0.0, None
            return
        now = colours(small)
        share, share_of_all = (
            np.ones_like(now[..., :1]) if before is None else changed(now, before, small)
            for before in (self._seen, self._seen_by_all)
        )
        follow = min(max((float(share_of_all.mean()) - PART) / (MOST - PART), 0.0), 1.0)
        if follow == 0 and not share.any():
            return
        light = find(small)
        self._target_strength += follow * ((0.0 if light is None else light[1]) - self._target_strength)
        self._seen_by_all = _mixed(self._seen_by_all, now, follow)
        if light is None:
            return
        found = np.concatenate([np.asarray(part, np.float32) for part in light[0]], -1)
        if self._target is not None:
            found = found - excess(self._target, found, share, now, small)
        self._target = _mixed(self._target, found, share)
        self._seen = _mixed(self._seen, now, share)

    def state(self) -> dict[str, np.ndarray]:
        """Returns what `restore` needs to continue."""
        grids = {name: getattr(self, f"_{name}") for name in GRIDS}
        numbers = np.array([self._strength, self._target_strength, self._time, self._looked])
        return {"numbers": numbers} | {name: grid for name, grid in grids.items() if grid is not None}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._strength, self._target_strength, self._time, self._looked = state["numbers"].tolist()
        for name in GRIDS:
            setattr(self, f"_{name}", state.get(name))


def _mixed(before: Grid | None, after: Grid, share: float | Share) -> Grid:
    return after if before is None else before + np.asarray(share, np.float32) * (after - before)

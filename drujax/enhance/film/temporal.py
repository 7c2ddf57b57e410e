"""The light of a film: that of single frames, smoothed over time within a shot.

Only the gains' coarse grids and their factor are smoothed, never pixels, so that nothing leaves a ghost. All of them
are logarithms or their factors, so their mean is the geometric mean of the gains.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from drujax.enhance.composition import Gains
from drujax.enhance.light import Light
from drujax.pictures.color import DARKEST

# Seconds in which the light comes nearer to that of the current frame by a factor of e.
SETTLING = 0.4
# Seconds between two frames whose light is computed.
INTERVAL = 0.16
CLOSE = 1e-3  # factors below it change nothing
# Mean difference of log gains, or of factors, up to which a new light is that in use, measured through grain: 2 per
# cent, which nobody sees at once. Following it would make still scenes pump.
STILL = 0.02
# Luma at which gains are compared.
COMPARED = (0.02, 0.3)


class SmoothLight:
    """Exponential smoothing of gains and strength (of first order, causal), which starts anew at every cut."""

    def __init__(self) -> None:
        self._gains: Gains | None = None
        self._target: Gains | None = None
        self._strength = self._target_strength = 0.0
        self._time = self._measured = -math.inf

    def next(self, time: float, *, cut: bool, find: Callable[[], Light | None]) -> Light | None:
        """Returns the light of the next frame.

        Args:
            time: of the frame, in seconds.
            cut: whether it is the first of a shot.
            find: computes its own light.
        """
        start = cut or math.isinf(self._time)
        if start or time - self._measured >= INTERVAL - 1e-6 or time < self._measured:
            self._measure(find(), start=start)
            self._measured = time
        if start:
            self._gains, self._strength = self._target, self._target_strength
        else:
            share = -math.expm1(-max(0.0, time - self._time) / SETTLING)
            self._strength += share * (self._target_strength - self._strength)
            if self._gains is None:  # so far nothing was changed
                self._gains = self._target
            elif self._target is not None:
                self._gains = _of_arrays(
                    (a + np.float32(share) * (b - a) for a, b in zip(self._gains, self._target, strict=True))
                )
        self._time = time
        if self._gains is None or self._strength < CLOSE:
            return None
        return self._gains, self._strength

    def _measure(self, light: Light | None, *, start: bool) -> None:
        """A frame that is to stay as it is has no gains of its own, so those before are faded out."""
        if light is None:
            self._target_strength = 0.0
            return
        before = None if start or self._target is None else (self._target, self._target_strength)
        if before is None or _difference(before, light) > STILL:
            self._target, self._target_strength = _of_arrays(map(np.asarray, light[0])), light[1]

    def state(self) -> dict[str, np.ndarray]:
        """Returns what `restore` needs to continue."""
        state: dict[str, Any] = {
            "numbers": np.array([self._strength, self._target_strength, self._time, self._measured])
        }
        for name, gains in (("gains", self._gains), ("target", self._target)):
            if gains is not None:
                state |= {f"{name}_{part}": np.asarray(array) for part, array in gains._asdict().items()}
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._strength, self._target_strength, self._time, self._measured = state["numbers"].tolist()
        self._gains, self._target = (
            _of_arrays(state[f"{name}_{part}"] for part in Gains._fields) if f"{name}_exposure" in state else None
            for name in ("gains", "target")
        )


def _difference(one: Light, other: Light) -> float:
    """The largest of the mean differences of log gains, of log tints, and of the factors."""
    exposure, tint = (np.asarray(a) - np.asarray(b) for a, b in zip(one[0], other[0], strict=True))
    of_luma = (exposure[..., 0] * math.log(luma + DARKEST) + exposure[..., 1] for luma in COMPARED)
    return max(*(float(np.abs(part).mean()) for part in (*of_luma, tint)), abs(one[1] - other[1]))


def _of_arrays(arrays: Iterable[Any]) -> Gains:
    return Gains(*arrays)

"""The strength of a picture: by default `enough` of its gains, or its `darkness` for a network's own output; or as much
as gives it a wanted exposure (`share_for`).
"""

import numbers
import reprlib
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float, Shaped

from drujax.data.qab import HIGH, quartile_means
from drujax.errors import UsageError
from drujax.pictures.arrays import is_floating

Strength = float | Literal["auto"]
Exposure = float | None  # mean luma of the result, 0..255; None: the strength decides
STRONGEST = 1.5
STEPS = 7  # of the bisection: to less than a level
FINE_STEPS = 10

# Below this mean luma of the darkest quartile an image gets a network's own output in full.
FULL = 120.0


def darkness(means: Float[np.ndarray, "*b 4"], full: float = FULL, high: float = HIGH) -> Float[np.ndarray, "*b"]:
    """Computes the share of a network's own output by default: 0 for a bright picture of eq. 1, so that it stays as it
    is, and 1 from a little below, linear in the darkest quartile between them.

    Args:
        means: as `quartile_means` gives them.
        full: darkest quartile below which the share is 1.
        high: B_high of eq. 1, above `full`.
    """
    return np.asarray(np.clip((high - means.min(axis=-1)) / (high - full), 0.0, 1.0))


def quartiles(images: Shaped[np.ndarray, "*b h w 3"]) -> Float[np.ndarray, "*b 4"]:
    """Computes `quartile_means`, 0..255, of images as an enhancer takes them: uint8, uint16, or floats in 0..1."""
    return quartile_means(images.astype(np.float32) * 255 if is_floating(images.dtype) else images)


def enough(darkest: Callable[[float], float], bright: float = HIGH) -> float:
    """Computes the share of gains by default: as much as makes a picture bright by eq. 1, at most 1.

    So no result is lighter than a bright picture that stays as it is, and a scene that fades in does so to the end.

    Args:
        darkest: share of the enhancement, 0..1 -> mean luma, 0..255, of the enhanced picture's darkest quartile; it
            rises with the share.
        bright: B_high of eq. 1.
    """
    if darkest(1.0) <= bright:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if darkest(middle) <= bright else (low, middle)
    return low


def share_for(exposure: float, mean_luma: Callable[[float], float]) -> float:
    """Computes the share of gains that gives a picture a mean luma, or comes as near as 0..`STRONGEST` allows.

    Args:
        exposure: mean luma, 0..255.
        mean_luma: share of the enhancement -> mean luma, 0..255, of the enhanced picture; it rises with the share.
    """
    low, high = 0.0, STRONGEST
    if mean_luma(low) >= exposure:
        return low
    if mean_luma(high) <= exposure:
        return high
    for _ in range(FINE_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_luma(middle) <= exposure else (low, middle)
    return (low + high) / 2


def check_strength(strength: Any) -> Strength:
    """Returns `strength` as a float, or "auto".

    Raises:
        UsageError: it is neither "auto" nor a number in 0..`STRONGEST` (of Python, NumPy or JAX).
    """
    if isinstance(strength, str) and strength == "auto":
        return "auto"
    number = _scalar(strength)
    if not _is_within(number, STRONGEST):
        raise UsageError(f"strength: must be a number in 0..{STRONGEST} or 'auto', got {reprlib.repr(number)}")
    return float(number)


def check_exposure(exposure: Any, strength: Strength) -> Exposure:
    """Returns `exposure` as a float, or None.

    Raises:
        UsageError: it is neither None nor a number in 0..255, or the strength is a number, too.
    """
    if exposure is None:
        return None
    number = _scalar(exposure)
    if not _is_within(number, 255.0):
        raise UsageError(f"exposure: must be a mean luma in 0..255, got {reprlib.repr(number)}")
    if strength != "auto":
        raise UsageError("exposure: determines the strength, which is given, too; give one of them")
    return float(number)


def _scalar(value: Any) -> Any:
    """The number in an array without dimensions, of NumPy or JAX; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_within(number: Any, top: float) -> bool:
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        return False
    return bool(0 <= cast(float, number) <= top)  # NaN is not

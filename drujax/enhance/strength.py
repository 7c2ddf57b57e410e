"""How much of the enhancement a picture gets."""

import numbers
import reprlib
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from drujax.data.qab import HIGH, LOW
from drujax.errors import UsageError

Strength = float | Literal["auto"]


def darkness(means: Float[np.ndarray, "*b 4"], low: float = LOW, high: float = HIGH) -> Float[np.ndarray, "*b"]:
    """Eq. 1 without its jumps: 1 for a dark picture, 0 for a bright one, linear in the darkest quartile between them.

    Args:
        means: as `quartile_means` gives them.
        low: B_low of eq. 1.
        high: B_high of eq. 1, above `low`.
    """
    return np.asarray(np.clip((high - means.min(axis=-1)) / (high - low), 0.0, 1.0))


def check_strength(strength: Any) -> Strength:
    """Returns `strength` as a float, or "auto".

    Raises:
        UsageError: it is neither "auto" nor a number in 0..1 (of Python, NumPy or JAX).
    """
    if isinstance(strength, str) and strength == "auto":
        return "auto"
    value: Any = strength.item() if getattr(strength, "ndim", None) == 0 else strength
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:  # NaN is not
        raise UsageError(f"strength: must be a number in 0..1 or 'auto', got {reprlib.repr(value)}")
    return float(value)

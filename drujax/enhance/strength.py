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
    number = _scalar(strength)
    if isinstance(number, bool) or not isinstance(number, numbers.Real) or not _is_share(number):
        raise UsageError(f"strength: must be a number in 0..1 or 'auto', got {reprlib.repr(number)}")
    return float(number)


def _scalar(value: Any) -> Any:
    """The number in an array without dimensions, of NumPy or JAX; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_share(number: Any) -> bool:
    return 0 <= number <= 1  # NaN is not

"""The strength of the enhancement."""

import numbers
import reprlib
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from drujax.data.qab import HIGH, LOW
from drujax.errors import UsageError

Strength = float | Literal["auto"]


def darkness(means: Float[np.ndarray, "*b 4"], low: float = LOW, high: float = HIGH) -> Float[np.ndarray, "*b"]:
    """Computes a continuous form of eq. 1: 1 for dark images, 0 for bright ones, linear in the darkest quartile
    between.

    Args:
        means: see `quartile_means`.
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
    """Returns the number in a 0-dimensional NumPy or JAX array, and anything else unchanged."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_share(number: Any) -> bool:
    return 0 <= number <= 1  # NaN is not

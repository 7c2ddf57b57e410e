"""How much of the enhancement a picture gets."""

import numpy as np
from jaxtyping import Float

from drujax.data.qab import HIGH, LOW


def darkness(means: Float[np.ndarray, "*b 4"], low: float = LOW, high: float = HIGH) -> Float[np.ndarray, "*b"]:
    """Eq. 1 without its jumps: 1 for a dark picture, 0 for a bright one, linear in the darkest quartile between them.

    Args:
        means: as `quartile_means` gives them.
        low: B_low of eq. 1.
        high: B_high of eq. 1, above `low`.
    """
    return np.asarray(np.clip((high - means.min(axis=-1)) / (high - low), 0.0, 1.0))

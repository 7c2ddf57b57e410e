"""The light of a picture: the gains that a network gives it, and how much of them it gets."""

from typing import Any

import numpy as np
from jaxtyping import Float

from drujax.data.qab import HIGH
from drujax.enhance.amount import Amount
from drujax.enhance.application import apply
from drujax.enhance.composition import Gains
from drujax.enhance.engine import NOT_FINITE, Engine, Rounding
from drujax.enhance.mask import masked
from drujax.enhance.strength import enough, quartiles, share_for
from drujax.errors import UsageError
from drujax.pictures import vips
from drujax.pictures.color import luma

Light = tuple[Gains, float]  # gains, and their factor; None instead: nothing is changed


def find_light(engine: Engine, small: Float[np.ndarray, "h w 3"], amount: Amount) -> Light | None:
    """Returns the light of a picture at working scale, in 0..1.

    Raises:
        UsageError: NaN or infinity from the model.
    """
    strength, exposure, _ = amount
    if amount.by_default and _darkest(small) >= HIGH:
        return None
    if strength == 0 or (exposure is not None and _mean_luma(small) >= exposure):
        return None
    gains, finite = engine.gains(small)
    if not finite:
        raise UsageError(NOT_FINITE)

    def enhanced(share: float) -> Float[np.ndarray, "h2 w2 3"]:
        return vips.pixels(apply(vips.of_array(small), gains, share))

    if exposure is not None:
        strength = share_for(exposure, lambda share: _mean_luma(enhanced(share)))
    elif strength == "auto":
        strength = enough(lambda share: _darkest(enhanced(share)))
    return (gains, strength) if strength else None


def lit(image: Any, light: Light, amount: Amount, rounding: Rounding) -> Any:
    """Returns a lazy image, RGB of 8 or 16 bits or floats in 0..1, with a light applied, where the mask has it."""
    after = apply(image, *light, rounding=rounding)
    return after if amount.mask is None else masked(image, after, amount.mask)


def _mean_luma(image: Float[np.ndarray, "h w 3"]) -> float:
    """Mean luma, 0..255, of an image in 0..1."""
    return float(luma(image).mean() * 255)


def _darkest(image: Float[np.ndarray, "h w 3"]) -> float:
    """Mean luma, 0..255, of the darkest quartile of an image in 0..1."""
    return float(quartiles(image).min())

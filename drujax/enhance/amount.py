"""How much a picture is enhanced, and where: what every call of an enhancer is given."""

from typing import Any, NamedTuple

from drujax.enhance.mask import Mask, check_mask
from drujax.enhance.strength import Exposure, Strength, check_exposure, check_strength


class Amount(NamedTuple):
    """How much a picture is enhanced: by a strength, or to an exposure; and where."""

    strength: Strength
    exposure: Exposure
    mask: Mask | None

    @property
    def by_default(self) -> bool:
        """Whether the picture decides how much."""
        return self.strength == "auto" and self.exposure is None


def checked_amount(strength: Any, exposure: Any, mask: Any) -> Amount:
    """Raises UsageError for invalid ones, or both a strength and an exposure."""
    strength = check_strength(strength)
    return Amount(strength, check_exposure(exposure, strength), check_mask(mask))

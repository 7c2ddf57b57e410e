"""Loss functions of all methods, one module per method or paper."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.losses import clip_lit, dru, pairlie, retinex, self_feature_preserving, zero_dce_pp

__all__ = [
    "clip_lit",
    "dru",
    "pairlie",
    "retinex",
    "self_feature_preserving",
    "zero_dce_pp",
]

__getattr__, __dir__ = exports(__name__, __all__, {})

"""Adversarial losses of DRU-EnlightenGAN, equations 5 to 8 of the paper.

Weights are relativistic probabilities (equation 4), one per image: RP_d for dark images, RP_b for bright ones, and
RP_d * RP_b for pairs. The official losses average over batch and positions; these average weight * (mean over
positions) over the batch. With all weights 1 they are the official losses of EnlightenGAN. The mean inside a
relativistic difference belongs to the discriminator and is never weighted.

Scores are a discriminator's raw maps: b h w 1 for whole images, b p h w 1 for p patches of each. An image's RP weights
all its patches.

The paper has no factor 1/2; the official code has it in all losses but equation 8. `scale` selects "official" (the
default) or "paper". Both average over the patches.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

LossScale = Literal["official", "paper"]

Scores = Float[Array, "b *_positions"]
Weights = Float[Array, " b"]
Scalar = Float[Array, ""]


def discriminator_global(real: Scores, fake: Scores, pair: Weights, *, scale: LossScale = "official") -> Scalar:
    """Equation 5: real images should score 1 above the mean enhanced one, enhanced images 0 above the mean real one."""
    return _half(scale) * (relativistic(real, fake, 1, pair) + relativistic(fake, real, 0, pair))


def discriminator_local(
    real: Scores, fake: Scores, dark: Weights, bright: Weights, *, scale: LossScale = "official"
) -> Scalar:
    """Equation 6: real patches should score 1, enhanced ones 0."""
    return _half(scale) * (least_squares(real, 1, bright) + least_squares(fake, 0, dark))


def generator_global(real: Scores, fake: Scores, pair: Weights, *, scale: LossScale = "official") -> Scalar:
    """Equation 7: equation 5 with swapped targets."""
    return _half(scale) * (relativistic(fake, real, 1, pair) + relativistic(real, fake, 0, pair))


def generator_local(fake: Scores, dark: Weights) -> Scalar:
    """Equation 8: enhanced patches should score 1. The official code has no factor 1/2 here either."""
    return least_squares(fake, 1, dark)


def relativistic(scores: Scores, others: Scores, target: int, weights: Weights) -> Scalar:
    """Weighted mean of (C(x) - mean C(y) - target)^2."""
    return least_squares(scores - others.mean(), target, weights)


def least_squares(scores: Scores, target: int, weights: Weights) -> Scalar:
    """Weighted mean of (scores - target)^2."""
    per_image = jnp.square(scores - target).mean(range(1, scores.ndim))
    return (weights * per_image).mean()


def _half(scale: LossScale) -> float:
    return {"official": 0.5, "paper": 1.0}[scale]

"""The adversarial losses of DRU-EnlightenGAN, equations 5 to 8 of the paper.

The weights are relativistic probabilities (equation 4), one number per picture of the batch: RP_d of the dark pictures,
RP_b of the bright ones, and RP_d * RP_b of the pairs. Where the official losses take a mean over batch and positions,
these take the mean over the batch of (weight * mean over positions). With all weights 1 they are the official losses of
EnlightenGAN. The mean inside a relativistic difference belongs to the discriminator and is never weighted.

Scores are the raw maps of a discriminator: b h w 1 of whole pictures, b p h w 1 of p patches of each. The RP of a
picture weights all its patches.

The paper writes no factor 1/2, the official code has it in all but equation 8. `scale` is which of them to follow:
"official" (the default) or "paper". Both take the mean over the patches.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

LossScale = Literal["official", "paper"]

Scores = Float[Array, "b *_positions"]
Weights = Float[Array, " b"]
Scalar = Float[Array, ""]


def discriminator_global(real: Scores, fake: Scores, pair: Weights, *, scale: LossScale = "official") -> Scalar:
    """Equation 5: the real picture is to score one more than the mean enhanced one, and the reverse."""
    return _half(scale) * (relativistic(real, fake, 1, pair) + relativistic(fake, real, 0, pair))


def discriminator_local(
    real: Scores, fake: Scores, dark: Weights, bright: Weights, *, scale: LossScale = "official"
) -> Scalar:
    """Equation 6: real patches are to score 1, enhanced ones 0."""
    return _half(scale) * (least_squares(real, 1, bright) + least_squares(fake, 0, dark))


def generator_global(real: Scores, fake: Scores, pair: Weights, *, scale: LossScale = "official") -> Scalar:
    """Equation 7: equation 5 with the targets changed over."""
    return _half(scale) * (relativistic(fake, real, 1, pair) + relativistic(real, fake, 0, pair))


def generator_local(fake: Scores, dark: Weights) -> Scalar:
    """Equation 8: enhanced patches are to score 1. The official code has no 1/2 here either."""
    return least_squares(fake, 1, dark)


def relativistic(scores: Scores, others: Scores, target: int, weights: Weights) -> Scalar:
    """Weighted mean of (C(x) - mean C(y) - target)^2."""
    return least_squares(scores - others.mean(), target, weights)


def least_squares(scores: Scores, target: int, weights: Weights) -> Scalar:
    """Weighted mean of (scores - target)^2."""
    per_picture = jnp.square(scores - target).mean(range(1, scores.ndim))
    return (weights * per_picture).mean()


def _half(scale: LossScale) -> float:
    return {"official": 0.5, "paper": 1.0}[scale]

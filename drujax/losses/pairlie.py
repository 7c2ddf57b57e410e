"""PairLIE's losses, one value per image, so that relativistic probabilities can weight them.

Fu et al., CVPR 2023; official code zhenqifu/PairLIE at 3fd5c158. A pair is two exposures of one scene; the image is the
first. The official total loss is the mean over the batch of

    consistency(its reflectance, that of the other) + retinex(it, image) + 500 projection(it, image).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.pairlie import Decomposition

Images = Float[Array, "b h w 3"]
PerImage = Float[Array, " b"]

PROJECTION_WEIGHT = 500.0


def total(image: Images, one: Decomposition, other: Images) -> tuple[PerImage, dict[str, PerImage]]:
    """Returns the weighted sum of the three losses, and each of them by name, unweighted.

    Args:
        image: the first exposure, in [0, 1].
        one: its decomposition.
        other: the reflectance of the other exposure.
    """
    terms = {
        "consistency": consistency(one.reflectance, other),
        "retinex": retinex(one, image),
        "projection": projection(one.cleaned, image),
    }
    return terms["consistency"] + terms["retinex"] + PROJECTION_WEIGHT * terms["projection"], terms


def consistency(one: Images, other: Images) -> PerImage:
    """Mean squared difference of the reflectances of the two exposures, which should be the same."""
    return ((one - other) ** 2).mean((1, 2, 3))


def retinex(parts: Decomposition, image: Images) -> PerImage:
    """The decomposition multiplies to the cleaned image; its illumination is smooth, and near the largest channel.

    The second term divides by the illumination as a constant: only the reflectance and the cleaned image learn from it.
    """
    illumination, reflectance, cleaned = parts
    product = ((illumination * reflectance - cleaned) ** 2).mean((1, 2, 3))
    quotient = ((reflectance - cleaned / jax.lax.stop_gradient(illumination)) ** 2).mean((1, 2, 3))
    brightest = ((illumination - image.max(-1, keepdims=True)) ** 2).mean((1, 2, 3))
    return product + quotient + brightest + _variation(illumination)


def projection(cleaned: Images, image: Images) -> PerImage:
    """Mean squared difference of the cleaned image and the image."""
    return ((cleaned - image) ** 2).mean((1, 2, 3))


def _variation(x: Float[Array, "b h w 1"]) -> PerImage:
    """Mean absolute difference of pixels two rows apart, plus that of pixels two columns apart."""
    rows, columns = x[:, 2:] - x[:, :-2], x[:, :, 2:] - x[:, :, :-2]
    return jnp.abs(rows).mean((1, 2, 3)) + jnp.abs(columns).mean((1, 2, 3))

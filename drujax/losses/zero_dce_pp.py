"""The losses of Zero-DCE and Zero-DCE++, one value per image, so that relativistic probabilities can weight them.

Guo et al., CVPR 2020, official code Li-Chongyi/Zero-DCE at e0f4adc5; Li et al., TPAMI 2021, official code
Li-Chongyi/Zero-DCE_extension at 09f202b6. Images are b h w 3 in [0, 1]; Zero-DCE++ has a curve b h w 3, and Zero-DCE
eight of them, b h w 24. The official total loss is the mean over the batch of

    w smoothness(curve) + spatial(enhanced, image) + 5 colour(enhanced) + 10 exposure(enhanced),

where w is 1600 for Zero-DCE++ and 200 for Zero-DCE.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "b h w 3"]
Curves = Float[Array, "b h w c"]
PerImage = Float[Array, " b"]

EXPOSURE = 0.6  # E of the paper, the grey level of a well-exposed region


def total(
    image: Images,
    enhanced: Images,
    curve: Curves,
    *,
    smoothness_weight: float = 1600.0,
    form: Literal["official", "paper"] = "official",
):
    """Returns the weighted sum of the four losses, and each of them by name, unweighted.

    `form` applies to `colour`, the only loss in which Zero-DCE++'s official code deviates from its paper.
    """
    terms = {
        "smoothness": smoothness(curve),
        "spatial": spatial(enhanced, image),
        "colour": colour(enhanced, form=form),
        "exposure": exposure(enhanced),
    }
    weights = {"smoothness": smoothness_weight, "spatial": 1.0, "colour": 5.0, "exposure": 10.0}
    return sum(weights[name] * term for name, term in terms.items()), terms


def spatial(enhanced: Images, image: Images) -> PerImage:
    """Mean squared change of the differences between adjacent 4x4 regions, summed over four directions.

    Regions beyond the border are 0, so that at the border the brightness itself is compared.
    """
    change = jnp.pad((_regions(image, 4) - _regions(enhanced, 4)), ((0, 0), (1, 1), (1, 1)))
    middle = change[:, 1:-1, 1:-1]
    neighbours = (change[:, 1:-1, :-2], change[:, 1:-1, 2:], change[:, :-2, 1:-1], change[:, 2:, 1:-1])
    return sum((((middle - near) ** 2).mean((1, 2)) for near in neighbours), start=jnp.zeros(()))


def exposure(enhanced: Images) -> PerImage:
    """Mean squared distance of 16x16 regions from the well-exposed grey level; incomplete regions are ignored."""
    return ((_regions(enhanced, 16) - EXPOSURE) ** 2).mean((1, 2))


def colour(enhanced: Images, *, form: Literal["official", "paper"] = "official") -> PerImage:
    """Deviation of the mean colour from grey.

    "paper" sums the squared differences between the channel means. "official" takes the root of the summed squares of
    these squared differences.
    """
    r, g, b = jnp.moveaxis(enhanced.mean((1, 2)), -1, 0)
    squares = jnp.stack([(r - g) ** 2, (r - b) ** 2, (g - b) ** 2])
    if form == "paper":
        return squares.sum(0)
    fourth = (squares**2).sum(0)
    grey = fourth == 0  # the root has no derivative at 0
    return jnp.where(grey, 0.0, jnp.sqrt(jnp.where(grey, 1.0, fourth)))


def smoothness(curve: Curves) -> PerImage:
    """Twice the squared differences of neighbours, averaged over pixels and summed over channels."""
    rows, columns = ((jnp.diff(curve, axis=axis) ** 2).sum(-1).mean((1, 2)) for axis in (1, 2))
    return 2 * (rows + columns)


def _regions(images: Images, side: int) -> Float[Array, "b h2 w2"]:
    """Averages the grey level over side x side regions."""
    grey = images.mean(-1)
    b, h, w = grey.shape
    whole = grey[:, : h // side * side, : w // side * side]
    return whole.reshape(b, h // side, side, w // side, side).mean((2, 4))

"""Losses of SCI and RUAS, one value per image, so that relativistic probabilities can weight them.

SCI: Ma et al., CVPR 2022, official code vis-opt-group/SCI at 9d28a3f1. RUAS: Liu et al., CVPR 2021, official code
KarelZhang/RUAS at f621bb19. Images and illuminations are b h w 3 in [0, 1].

Both papers penalise differences of the illumination less across edges of the image, with weights exp(-|difference|² /
2σ²) of its YCbCr colours. Both implementations deviate in two ways, which "official" reproduces and "paper" does not:

* the colour conversion misreads the memory layout: three adjacent samples of one channel are taken for the red, green
  and blue of a pixel;
* the weights' exponent is -0.005 times the squared difference (SCI: σ = 10; RUAS writes -1 / 2 * σ * σ with σ = 0.1),
  so that all weights are nearly 1. "paper" uses σ = 0.1.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Images = Float[Array, "b h w 3"]
PerImage = Float[Array, " b"]
Form = Literal["official", "paper"]
Colours = Literal["ycbcr", "rgb"]

# ITU-R 601, from RGB in [0, 1].
_TO_YCBCR = np.array([[0.257, -0.148, 0.439], [0.564, -0.291, -0.368], [0.098, 0.439, -0.071]], np.float32)
_YCBCR_OFFSET = np.array([16, 128, 128], np.float32) / 255
_EXPONENT = {"official": -0.005, "paper": -1 / (2 * 0.1**2)}
# (rows, columns) from a pixel to its neighbour. The official code visits each pair twice, once in each direction.
_OFFSETS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (2, -1), (1, 2), (1, -2), (2, 2), (2, -2))


def fidelity(illumination: Images, image: Images) -> PerImage:
    """Mean squared difference of the illumination and its image."""
    return ((illumination - image) ** 2).mean((1, 2, 3))


def sci_smoothness(image: Images, illumination: Images, *, form: Form = "official") -> PerImage:
    """Weighted absolute differences of the illumination: sum over channels and 24 directions, mean over pixels."""
    pairs = _pairs(image, illumination, form)
    return _sum(2 * (weight * difference.sum(-1)).mean((1, 2)) for weight, difference in pairs)


def ruas_smoothness(
    image: Images, illumination: Images, *, form: Form = "official", colours: Colours = "ycbcr"
) -> PerImage:
    """SCI's smoothness averaged over channels; "official" multiplies the mean weight by the mean difference.

    `colours` is the colour space of the weights; the official architecture search uses "rgb".
    """
    pairs = _pairs(image, illumination, form, colours)
    if form == "paper":
        return _sum(2 * (weight * difference.mean(-1)).mean((1, 2)) for weight, difference in pairs)
    return _sum(2 * weight.mean((1, 2)) * difference.mean((1, 2, 3)) for weight, difference in pairs)


def sci_stage(image: Images, illumination: Images, *, form: Form = "official") -> PerImage:
    """Loss of one stage, from its input and its illumination; the training loss sums it over the stages."""
    return 1.5 * fidelity(illumination, image) + sci_smoothness(image, illumination, form=form)


def ruas_enhancement(
    image: Images, illumination: Images, *, form: Form = "official", colours: Colours = "ycbcr"
) -> PerImage:
    """Loss of RUAS's illumination estimation, from the image and the last step's illumination."""
    return 0.5 * fidelity(illumination, image) + ruas_smoothness(image, illumination, form=form, colours=colours)


def ruas_denoising(enhanced: Images, denoised: Images) -> PerImage:
    """Loss of RUAS's noise removal, from the image before and after it."""
    return 1e-7 * fidelity(denoised, enhanced) + total_variation(denoised)


def total_variation(images: Float[Array, "b h w c"]) -> PerImage:
    """Twice the sum of the mean squared differences of vertical and of horizontal neighbours."""
    return 2 * _sum((jnp.diff(images, axis=axis) ** 2).mean((1, 2, 3)) for axis in (1, 2))


def as_ycbcr(images: Images, form: Form = "official") -> Images:
    """Converts RGB to YCbCr; "official" reproduces the misread layout, see the module docstring."""
    if form == "paper":
        return images @ _TO_YCBCR + _YCBCR_OFFSET
    channels_first = jnp.moveaxis(images, -1, 1)
    triples = channels_first.reshape(-1, 3) @ _TO_YCBCR + _YCBCR_OFFSET
    return jnp.moveaxis(triples.reshape(channels_first.shape), 1, -1)


def _pairs(
    image: Images, illumination: Images, form: Form, colours: Colours = "ycbcr"
) -> Iterator[tuple[Array, Array]]:
    """Yields, for each offset, the weights b h w and absolute differences b h w 3 of all pairs of neighbours."""
    guide = image if colours == "rgb" else as_ycbcr(image, form)
    for rows, columns in _OFFSETS:
        one, other = _shifted(guide, rows, columns)
        weight = jnp.exp(_EXPONENT[form] * ((one - other) ** 2).sum(-1))
        one, other = _shifted(illumination, rows, columns)
        yield weight, jnp.abs(one - other)


def _shifted(x: Images, rows: int, columns: int) -> tuple[Array, Array]:
    """Returns the two members of all pairs of pixels that are (`rows`, `columns`) apart."""
    _, h, w, _ = x.shape
    left, right = max(columns, 0), max(-columns, 0)
    return x[:, rows:, left : w - right], x[:, : h - rows, right : w - left]


def _sum(terms: Iterable[PerImage]) -> PerImage:
    return sum(terms, start=jnp.zeros(()))

"""The losses of SCI and RUAS, one value for each picture, so that relativistic probabilities can weight them.

SCI: Ma et al., CVPR 2022, official code vis-opt-group/SCI at 9d28a3f1. RUAS: Liu et al., CVPR 2021, official code
KarelZhang/RUAS at f621bb19. Pictures and illuminations are b h w 3 in [0, 1].

Both papers smooth an illumination less across edges of the picture, by weights exp(-|difference|² / 2σ²) of its YCbCr
colours. Both codes depart from that in two ways, which "official" reproduces and "paper" does not:

* the conversion reads memory as if it were colours: three samples of one channel, side by side in a row, count as the
  red, green and blue of a pixel;
* the weights' exponent is -0.005 times the squared difference (SCI: σ = 10; RUAS writes -1 / 2 * σ * σ with σ = 0.1),
  so that all weights are nearly 1. "paper" takes σ = 0.1.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Images = Float[Array, "b h w 3"]
PerPicture = Float[Array, " b"]
Form = Literal["official", "paper"]
Colours = Literal["ycbcr", "rgb"]

# ITU-R 601, from RGB in [0, 1].
_TO_YCBCR = np.array([[0.257, -0.148, 0.439], [0.564, -0.291, -0.368], [0.098, 0.439, -0.071]], np.float32)
_YCBCR_OFFSET = np.array([16, 128, 128], np.float32) / 255
_EXPONENT = {"official": -0.005, "paper": -1 / (2 * 0.1**2)}
# Rows down and columns right to the other pixel. The official code has each pair twice, once in each direction.
_OFFSETS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (2, -1), (1, 2), (1, -2), (2, 2), (2, -2))


def fidelity(illumination: Images, image: Images) -> PerPicture:
    """Mean squared difference: an illumination is to look like its picture."""
    return ((illumination - image) ** 2).mean((1, 2, 3))


def sci_smoothness(image: Images, illumination: Images, *, form: Form = "official") -> PerPicture:
    """Weighted absolute differences of the illumination: summed over channels and 24 directions, mean over pixels."""
    pairs = _pairs(image, illumination, form)
    return _sum(2 * (weight * difference.sum(-1)).mean((1, 2)) for weight, difference in pairs)


def ruas_smoothness(
    image: Images, illumination: Images, *, form: Form = "official", colours: Colours = "ycbcr"
) -> PerPicture:
    """As SCI's, but that the official code takes the means of weights and of differences apart, over channels, too.

    `colours` are those whose differences the weights are of; its search for an architecture takes "rgb".
    """
    pairs = _pairs(image, illumination, form, colours)
    if form == "paper":
        return _sum(2 * (weight * difference.mean(-1)).mean((1, 2)) for weight, difference in pairs)
    return _sum(2 * weight.mean((1, 2)) * difference.mean((1, 2, 3)) for weight, difference in pairs)


def sci_stage(image: Images, illumination: Images, *, form: Form = "official") -> PerPicture:
    """Of what a stage saw, and the illumination that it made of it; the training loss is the sum over the stages."""
    return 1.5 * fidelity(illumination, image) + sci_smoothness(image, illumination, form=form)


def ruas_enhancement(
    image: Images, illumination: Images, *, form: Form = "official", colours: Colours = "ycbcr"
) -> PerPicture:
    """Of the picture and its last illumination."""
    return 0.5 * fidelity(illumination, image) + ruas_smoothness(image, illumination, form=form, colours=colours)


def ruas_denoising(enhanced: Images, denoised: Images) -> PerPicture:
    """Of the picture before and after the noise was removed."""
    return 1e-7 * fidelity(denoised, enhanced) + total_variation(denoised)


def total_variation(images: Images) -> PerPicture:
    """Twice the mean squared difference of vertical neighbours plus that of horizontal ones."""
    return 2 * _sum((jnp.diff(images, axis=axis) ** 2).mean((1, 2, 3)) for axis in (1, 2))


def as_ycbcr(images: Images, form: Form = "official") -> Images:
    """YCbCr of pictures; "official" of what the official codes take for their pixels, see the module."""
    if form == "paper":
        return images @ _TO_YCBCR + _YCBCR_OFFSET
    channels_first = jnp.moveaxis(images, -1, 1)
    triples = channels_first.reshape(-1, 3) @ _TO_YCBCR + _YCBCR_OFFSET
    return jnp.moveaxis(triples.reshape(channels_first.shape), 1, -1)


def _pairs(
    image: Images, illumination: Images, form: Form, colours: Colours = "ycbcr"
) -> Iterator[tuple[Array, Array]]:
    """Weights b h w and absolute differences b h w 3 of all pixels and their neighbours, one offset after the other."""
    guide = image if colours == "rgb" else as_ycbcr(image, form)
    for rows, columns in _OFFSETS:
        one, other = _shifted(guide, rows, columns)
        weight = jnp.exp(_EXPONENT[form] * ((one - other) ** 2).sum(-1))
        one, other = _shifted(illumination, rows, columns)
        yield weight, jnp.abs(one - other)


def _shifted(x: Images, rows: int, columns: int) -> tuple[Array, Array]:
    """All pixels that have a neighbour at the offset, and these neighbours."""
    _, h, w, _ = x.shape
    left, right = max(columns, 0), max(-columns, 0)
    return x[:, rows:, left : w - right], x[:, : h - rows, right : w - left]


def _sum(terms: Iterable[PerPicture]) -> PerPicture:
    return sum(terms, start=jnp.zeros(()))

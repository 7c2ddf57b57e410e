"""ZERO-IG's losses, one value per image, so that relativistic probabilities can weight them.

Shi et al., CVPR 2024; official code Doyle59217/ZeroIG at 5af4b8ac. The total is the sum of the terms that `total`
returns; it trains the three networks together, and each term stops its gradient where the official code does.

Quirks of the official code that are kept: the grey levels weight red by 0.144 and blue by 0.299; the smoothness is
SCI's, with its misread layout (`drujax.losses.retinex`); both halves keep the first one's texture in `consistency`.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from drujax.losses import retinex, zero_dce_pp
from drujax.models.zero_ig import Passes, halves

Images = Float[Array, "b h w 3"]
PerImage = Float[Array, " b"]

EPSILON = 1e-9
WELL_LIT = 0.5  # mean grey level that the illumination aims at
LARGEST_FACTOR = 25.0
# Weights of red, green and blue in grey levels, as coded.
GREY = np.array([0.144, 0.587, 0.299], np.float32)
# Similarity of standard deviations above which a pixel of two halves counts as texture.
TEXTURE = 0.975
WINDOW = 5  # of local means, pixels
BLUR = 10  # radius of the blur, pixels
# The smallest image that the blur's reflection accepts.
MIN_SIZE = BLUR + 1


def total(image: Images, passes: Passes) -> tuple[PerImage, dict[str, PerImage]]:
    """Returns the sum of all terms, and each of them by name, with its official weight.

    Args:
        image: in [0, 1], h and w at least `MIN_SIZE`.
        passes: the networks' outputs for it.
    """
    noise_1, noise_2 = residual(image, passes)
    terms = {
        "enhancement": enhancement(passes),
        "noise_1": 1000 * noise_1,
        "noise_2": 1000 * noise_2,
        "colour": 10000 * colour(passes),
        "illumination": 1000 * _squared(_fixed(passes.illumination), passes.final_illumination),
        "consistency": 10000 * consistency(passes.final),
        "variance": 1000 * variance(passes.enhanced, passes.final),
    }
    return _sum(terms.values()), terms


def enhancement(passes: Passes) -> PerImage:
    """How far the illumination is from the one that makes the image well lit, and how rough it is.

    Only the illumination receives a gradient.
    """
    dark, light = _fixed(passes.denoised), passes.illumination
    factor = jnp.clip(WELL_LIT / (_grey(dark).mean((1, 2, 3)) + EPSILON), 1, LARGEST_FACTOR)[:, None, None, None]
    wanted = jnp.clip((dark * factor) ** factor * (0.7**-factor / factor), EPSILON, 1)
    lit = jnp.clip(dark / light, EPSILON, 0.8)
    return (
        700 * _squared(light, wanted)
        + 1000 * _squared(lit, jnp.clip(dark * factor, EPSILON, 1))
        + 5 * retinex.sci_smoothness(dark, light)
        + 1600 * zero_dce_pp.smoothness(light)
    )


def residual(image: Images, passes: Passes) -> tuple[PerImage, PerImage]:
    """Squared differences of each half without its noise from the other half with it, and from its half of the image
    without noise; those of the dark image, and those of the enhanced one.
    """
    first = _sum(
        map(_squared, passes.denoised_halves, reversed(halves(image + EPSILON))),
        map(_squared, passes.denoised_halves, halves(passes.denoised)),
    )
    noisy = [
        _fixed(jnp.concatenate(h, -1)) for h in zip(passes.enhanced_halves, passes.illumination_halves, strict=True)
    ]
    second = _sum(
        map(_squared, passes.final_halves, reversed(noisy)),
        map(_squared, (half[..., :3] for half in passes.final_halves), halves(passes.final)),
    )
    return first, second


def colour(passes: Passes) -> PerImage:
    """Mean squared difference of the result from the denoised image over the illumination, both blurred."""
    return _squared(_fixed(blurred(passes.enhanced_denoised)), blurred(passes.final))


def consistency(final: Images) -> PerImage:
    """Differences of the result's halves from their local means where they have no texture in common."""
    one, other = halves(final)
    textured = texture(one, other)[..., None]
    smooth = (jnp.where(textured, one, local_mean(half, "reflect")) for half in (one, other))
    return _sum(map(_squared, (one, other), smooth))


def variance(enhanced: Images, final: Images) -> PerImage:
    """Mean squared difference of the local variances of the enhanced image and of the noise that was removed."""
    return _squared(*(local_mean((x - local_mean(x)) ** 2) for x in (enhanced, final - enhanced)))


def texture(one: Images, other: Images) -> Bool[Array, "b h w"]:
    """Where two images have similar local standard deviations of their grey levels."""
    stds = []
    for image in (one, other):
        grey = _grey(image)
        mean = local_mean(grey, "reflect")
        squares = ((near - mean) ** 2 for row in _shifts(grey, 1, "reflect") for near in _shifts(row, 2, "reflect"))
        stds.append(jnp.sqrt(_sum(squares) / WINDOW**2 + EPSILON)[..., 0])
    first, second = stds
    return 2 * first * second / (first**2 + second**2 + 1e-5) > TEXTURE


def blurred(images: Images) -> Images:
    """Blurs by `BLUR_WEIGHTS` along both axes, padded by reflection."""
    return _filtered(images, BLUR_WEIGHTS, "reflect")


def local_mean(x: Float[Array, "b h w c"], mode: Literal["reflect", "constant"] = "constant") -> Array:
    """Means over 5x5 pixels; beyond the border are zeros, or the reflection."""
    return _filtered(x, np.full(WINDOW, 1 / WINDOW, np.float32), mode)


def _grey(images: Images) -> Float[Array, "b h w 1"]:
    return (images * GREY).sum(-1, keepdims=True)


def _blur_weights() -> Float[np.ndarray, "21"]:
    """Square roots of the masses of a normal distribution in 21 bins, which reach 1.07 standard deviations."""
    end = 1 + 3 / (2 * (2 * BLUR + 1))
    masses = np.diff([math.erf(x / math.sqrt(2)) for x in np.linspace(-end, end, 2 * BLUR + 2)])
    return (np.sqrt(masses) / np.sqrt(masses).sum()).astype(np.float32)


BLUR_WEIGHTS = _blur_weights()


def _filtered(x: Float[Array, "b h w c"], weights: Float[np.ndarray, " n"], mode: str) -> Float[Array, "b h w c"]:
    for axis in (1, 2):
        shifted = _shifts(x, axis, mode, len(weights) // 2)
        x = _sum(weight * near for weight, near in zip(weights, shifted, strict=True))
    return x


def _shifts(x: Float[Array, "b h w c"], axis: int, mode: str, radius: int = WINDOW // 2) -> Iterator[Array]:
    """Yields x shifted along an axis by -radius to radius."""
    padded = jnp.pad(x, [(radius, radius) if at == axis else (0, 0) for at in range(4)], mode=cast(Any, mode))
    for start in range(2 * radius + 1):
        yield jax.lax.slice_in_dim(padded, start, start + x.shape[axis], axis=axis)


def _squared(x: Float[Array, "b h w c"], y: Float[Array, "b h w c"]) -> PerImage:
    return ((x - y) ** 2).mean((1, 2, 3))


def _sum(*terms: Iterable[Array]) -> Array:
    return sum(itertools.chain(*terms), start=jnp.zeros(()))


_fixed = jax.lax.stop_gradient

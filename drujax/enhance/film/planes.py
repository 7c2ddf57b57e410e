"""Gains applied to the planes of a frame: luma at full size, colour differences at theirs.

The same function as `drujax.enhance.application`, at a tenth of its cost. A block of luma has the colour differences of
its sample: then the colour's part of the function is constant in a block, and only a logarithm, a power and a few
products are left for each sample of luma.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.enhance.composition import CAST, HEADROOM, MAX_GAIN, Gains
from drujax.films.conversion import Coding
from drujax.pictures.color import DARKEST, LUMA_WEIGHTS

Planes = tuple[Shaped[np.ndarray, "h w"], Shaped[np.ndarray, "h2 w2"], Shaped[np.ndarray, "h2 w2"]]


def apply_to_planes(
    planes: Planes,
    gains: Gains,
    strength: float,
    coding: Coding,
    *,
    bits: int,
    mask: Float[np.ndarray, "h w"] | None = None,
) -> Planes:
    """Returns luma, Cb and Cr with the gains applied.

    Args:
        planes: uint8, or uint16 for more than 8 bits.
        gains: of this one frame, without the batch's dimension.
        strength: as `application.apply`.
        coding: of the planes.
        bits: of the result's samples.
        mask: the share of the change, of luma's size.
    """
    luma, cb, cr = planes
    down, across = -(-luma.shape[0] // cb.shape[0]), -(-luma.shape[1] // cb.shape[1])
    phases = _phases(luma, down, across)
    shares = None if mask is None else _phases(mask, down, across)
    y, *chroma = _apply(phases, cb, cr, *gains, np.float32(strength), shares, coding=coding, bits=bits)
    y = np.asarray(y)
    whole = np.empty((cb.shape[0] * down, cb.shape[1] * across), y.dtype)
    for phase, (i, j) in zip(y, np.ndindex(down, across), strict=True):
        whole[i::down, j::across] = phase
    return whole[: luma.shape[0], : luma.shape[1]], np.asarray(chroma[0]), np.asarray(chroma[1])


def _phases(plane: Shaped[np.ndarray, "h w"], down: int, across: int) -> Shaped[np.ndarray, "p h2 w2"]:
    """The samples of a plane at each place of the blocks, as one array; those beyond an odd border are repeated."""
    rows, columns = -plane.shape[0] % down, -plane.shape[1] % across
    if rows or columns:
        plane = np.pad(plane, ((0, rows), (0, columns)), mode="edge")
    return np.stack([plane[i::down, j::across] for i, j in np.ndindex(down, across)])


class _Block(NamedTuple):
    """The function of luma in each block: (scale * y + shift) * gain(y).

    `guide` is what luma of BT.601, by which gains are found, exceeds that of the matrix; `largest * y + above` is the
    largest channel, tinted.
    """

    scale: Array
    shift: Array
    guide: Array
    largest: Array
    above: Array
    slope: Array
    offset: Array

    def gain(self, y: Array, strength: Array) -> Array:
        log_luma = jnp.log(jnp.clip(y + self.guide, 0, 1) + DARKEST)
        headroom = -HEADROOM * jnp.log(jnp.maximum(self.largest * y + self.above, 0) + DARKEST)
        gain = (self.slope * log_luma + self.offset) * jnp.maximum(strength, 1)
        return jnp.exp(jnp.clip(jnp.minimum(gain, headroom), 0, MAX_GAIN) * jnp.minimum(strength, 1))


@partial(jax.jit, static_argnames=("coding", "bits"))
def _apply(luma, cb, cr, exposure, tint, strength, mask, *, coding: Coding, bits: int):
    (black, white), (grey, unit) = coding.luma_scale, coding.chroma_scale
    y = (luma.astype(jnp.float32) - black) / white
    cb, cr = ((plane.astype(jnp.float32) - grey) / unit for plane in (cb, cr))
    k_r, k_b = coding.k_r, coding.k_b
    k_g = 1 - k_r - k_b
    red, blue = (2 - 2 * k_r) * cr, (2 - 2 * k_b) * cb
    over = (red, -(k_r * red + k_b * blue) / k_g, blue)  # R, G and B over luma
    mean = y.mean(0)
    rgb = [jnp.clip(mean + d, 0, 1) for d in over]
    height, width = mean.shape
    slope, offset = _enlarged(exposure, height, width)
    cast = tint[..., 0] - tint[..., 2]
    per_change = cast / (cast**2 + CAST**2)
    by_share = [jnp.expm1(tint * share) for share in (jnp.minimum(strength, 1), 1)]
    grids = _enlarged(jnp.concatenate([*by_share, per_change[..., None]], -1), height, width)
    # As `application._under_cast`.
    under = jnp.clip((jnp.log(rgb[2] + DARKEST) - jnp.log(rgb[0] + DARKEST)) * grids[6], 0, 1)
    tints, full = ([1 + under * tint for tint in part] for part in (grids[:3], grids[3:6]))
    brightest, largest, above = rgb[0] * full[0], full[0], over[0] * full[0]
    for c, t, d in zip(rgb[1:], full[1:], over[1:], strict=True):
        more = c * t > brightest
        largest, above = jnp.where(more, t, largest), jnp.where(more, d * t, above)
        brightest = jnp.maximum(c * t, brightest)
    k = (k_r, k_g, k_b)
    block = _Block(
        scale=_sum(k, tints),
        shift=_sum(k, [d * t for d, t in zip(over, tints, strict=True)]),
        guide=_sum(LUMA_WEIGHTS, over),
        largest=largest,
        above=above,
        slope=slope,
        offset=offset,
    )
    brighter = jnp.clip((block.scale * y + block.shift) * block.gain(y, strength), 0, 1)
    gain = block.gain(mean, strength)
    enhanced = [jnp.clip(c * t * gain, 0, 1) for c, t in zip(rgb, tints, strict=True)]
    # Of differences, so that samples outside of the colours of RGB (blacker than black) keep their distance.
    change = [after - before for after, before in zip(enhanced, rgb, strict=True)]
    change_of_luma = _sum(k, change)
    share = 1 if mask is None else mask
    share_of_block = 1 if mask is None else mask.mean(0)
    y = y + share * (brighter - jnp.clip(y, 0, 1))
    cb = cb + share_of_block * (change[2] - change_of_luma) / (2 - 2 * k_b)
    cr = cr + share_of_block * (change[0] - change_of_luma) / (2 - 2 * k_r)
    target = coding._replace(bits=bits)
    return _samples(y, target.luma_scale, bits), *(_samples(plane, target.chroma_scale, bits) for plane in (cb, cr))


def _sum(weights, planes) -> Array:
    red, green, blue = (weight * plane for weight, plane in zip(weights, planes, strict=True))
    return red + green + blue


def _samples(plane: Array, scale: tuple[float, float], bits: int) -> Array:
    return jnp.clip(jnp.round(plane * scale[1] + scale[0]), 0, 2**bits - 1).astype(
        jnp.uint8 if bits == 8 else jnp.uint16
    )


def _enlarged(grid: Float[Array, "gh gw c"], height: int, width: int) -> Float[Array, "c h w"]:
    """As `drujax.pictures.resampling.enlarged`: bilinear between the places' centres, constant beyond them."""
    rows, columns = _linear(grid.shape[0], height), _linear(grid.shape[1], width)
    return jnp.einsum("hi,ijc,wj->chw", rows, grid, columns, precision=jax.lax.Precision.HIGHEST)


def _linear(places: int, n: int) -> Float[np.ndarray, "n g"]:
    """Weights of the places for each of n samples."""
    at = np.clip((np.arange(n) + 0.5) * places / n - 0.5, 0, places - 1)
    first = np.floor(at).astype(int)
    weights = np.zeros((n, places), np.float32)
    weights[np.arange(n), first] = 1 - (at - first)
    weights[np.arange(n), np.minimum(first + 1, places - 1)] += at - first
    return weights

"""A logarithmic tone curve on an edge-preserving base: the baseline that a trained network has to beat.

No network and no training: the illumination of a picture is estimated by a filter, and one curve lifts it.

1. The base B is the self-guided filter (He, Sun and Tang, "Guided Image Filtering", TPAMI 35(6), 2013) of log luma, the
   detail D the rest, as in Durand and Dorsey's tone mapping (SIGGRAPH 2002).
2. The curve f(x) = log(1 + k x) / log(1 + k) lifts the base: logarithmic as in Drago et al.'s adaptive mapping
   (Eurographics 2003). k is such that the picture's mean exposure becomes `target`, at most `steepest`; a picture that
   is already as light keeps its base.
3. log luma becomes log f(exp B) + detail x D. Small lights stand out of a dark base, and what that lifts beyond 0.8
   bends towards 1, so that they keep their shape. Nothing becomes darker.
4. Half of the colour keeps the ratios of R, G and B, half is the same curve of each channel. Ratios alone turn dark
   blue into electric blue, the curve alone turns it grey. Colours that leave [0, 1] are mixed with grey of their luma.

`--model=curve` needs no weights. Its options are its few constants.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model
from drujax.pictures.color import DARKEST, luma

Map = Float[Array, "b h w"]


class Curve(nn.Module):
    """images b h w 3 in [0, 1] -> enhanced b h w 3, nominally in [0, 1]. A module without parameters.

    Attributes:
        target: mean that the curve gives the base, 0..1.
        steepest: largest k; the gain of black is k / log(1 + k).
        detail: factor of what the base leaves out of log luma.
        radius: of the filter's window, as a share of the shorter side.
        even: variance of log luma below which a window is smoothed.
        ratio: share of the colour that keeps its ratios; the rest is the curve of each channel.
    """

    target: float = 0.42
    steepest: float = 30.0
    detail: float = 1.2
    radius: float = 0.05
    even: float = 0.1
    ratio: float = 0.5

    def __call__(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        y = jnp.log(luma(images) + DARKEST)
        base = guided_base(y, max(1, round(self.radius * min(y.shape[1:]))), self.even)
        light = jnp.clip(jnp.exp(base) - DARKEST, 0, 1)
        k = self.steepness(light)[:, None, None]
        lifted = jnp.exp(jnp.log(tone(light, k) + DARKEST) + self.detail * (y - base)) - DARKEST
        lifted = jnp.clip(shoulder(lifted), jnp.minimum(luma(images), 1), None)[..., None]
        by_ratio = images * lifted / jnp.maximum(luma(images), 1 / 255)[..., None]
        by_channel = tone(images, k[..., None])
        # The curve of each channel, too, gets the luma that was decided: it gives colour alone.
        by_channel *= lifted / jnp.maximum(luma(by_channel), 1 / 255)[..., None]
        return in_gamut(self.ratio * by_ratio + (1 - self.ratio) * by_channel, lifted)

    def steepness(self, light: Map) -> Float[Array, " b"]:
        """Returns the k that lifts the mean of each picture to `target`: by bisection, since the mean rises with k."""
        low = jnp.full(light.shape[0], 1e-3)
        high = jnp.full(light.shape[0], self.steepest)

        def halve(_, bounds):
            low, high = bounds
            middle = jnp.sqrt(low * high)
            dark = tone(light, middle[:, None, None]).mean((1, 2)) < self.target
            return jnp.where(dark, middle, low), jnp.where(dark, high, middle)

        return jax.lax.fori_loop(0, 16, halve, (low, high))[0]


def tone(x: Float[Array, "..."], k: Float[Array, "..."]) -> Float[Array, "..."]:
    """Applies the curve log(1 + k x) / log(1 + k): 0 and 1 stay, what is between rises with k."""
    return jnp.log1p(k * x) / jnp.log1p(k)


def shoulder(x: Float[Array, "..."], knee: float = 0.8) -> Float[Array, "..."]:
    """Bends what is above `knee` smoothly towards 1."""
    return jnp.where(x < knee, x, 1 - (1 - knee) * jnp.exp(-(jnp.maximum(x, knee) - knee) / (1 - knee)))


def in_gamut(rgb: Float[Array, "b h w 3"], grey: Float[Array, "b h w 1"]) -> Float[Array, "b h w 3"]:
    """Mixes colours whose largest channel exceeds 1 with `grey`, their luma, until it is 1: hue and luma stay."""
    excess = rgb.max(-1, keepdims=True) - grey
    return grey + (rgb - grey) * jnp.minimum(1, (1 - grey) / jnp.maximum(excess, 1e-6))


def guided_base(y: Map, radius: int, even: float) -> Map:
    """Returns the self-guided filter of `y` with windows of 2 radius + 1 pixels, smaller at the border."""
    shift = y.mean((1, 2), keepdims=True)  # around it, squares lose less to rounding
    y = y - shift
    mean = box_mean(y, radius)
    variance = jnp.maximum(box_mean(y**2, radius) - mean**2, 0)
    slope = variance / (variance + even)
    return box_mean(slope, radius) * y + box_mean((1 - slope) * mean, radius) + shift


def box_mean(x: Map, radius: int) -> Map:
    """Means over squares of 2 radius + 1 pixels, of their part inside the picture at its border."""
    for axis in (1, 2):
        n = x.shape[axis]
        sums = jnp.concatenate([jnp.zeros_like(jnp.take(x, jnp.array([0]), axis)), jnp.cumsum(x, axis)], axis)
        first, last = jnp.maximum(jnp.arange(n) - radius, 0), jnp.minimum(jnp.arange(n) + radius + 1, n)
        shape = [1, 1, 1]
        shape[axis] = n
        x = (jnp.take(sums, last, axis) - jnp.take(sums, first, axis)) / (last - first).reshape(shape)
    return x


def _run(module: Curve, images: Any) -> Any:
    return module(images)


SPEC = MethodSpec(
    summary="curve: a logarithmic tone curve on an edge-preserving base, without a network (baseline)",
    network=EnhancerNetwork(
        summary="a logarithmic tone curve on an edge-preserving base (no parameters)",
        build=Curve,
        run=_run,
        options={
            "target": 0.42,
            "steepest": 30.0,
            "detail": 1.2,
            "radius": 0.05,
            "even": 0.1,
            "ratio": 0.5,
        },
        licence="Apache-2.0",
    ),
    models=(
        Model(
            "curve",
            "a tone curve without a network, the baseline of experiments.evaluate light",
            "It needs no weights.",
            has_weights=False,
        ),
    ),
)

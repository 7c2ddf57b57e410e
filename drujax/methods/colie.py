"""CoLIE: a small network is fitted to each picture, and gives its illumination. Without training and weights.

Chobola et al., "Fast Context-Based Low-Light Image Enhancement via Neural Implicit Representations", ECCV 2024;
official code ctom2/colie at a80f73c2.

1. The value (the largest channel) of the picture, over its maximum, is sampled at 256x256 places.
2. A network of sines (Sitzmann et al., NeurIPS 2020) maps each place and the values in a window around it to the
   difference of the illumination from the value. It is fitted to this picture alone: Adam 1e-5 with weight decay 3e-4
   and the loss of `illumination_loss`. As in the official code, the last of its 100 updates is not used.
3. The value over the illumination is carried to the picture's size by a guided filter (`upsampled`).
4. Hue and saturation stay: each pixel is multiplied by the gain of its value. The largest sample becomes 1.

Differences from the official code: the initial weights are the same for each picture (`SEED`), so that results can be
repeated; the guided filter subtracts means before it squares, where the official sums in float32 cancel; a black
picture stays black, where the official code divides 0 by 0.

A fit takes 5 TFLOP (two CPU minutes) and 0.5 GB, whatever the size of the picture. It is compiled once, and the rest
for each size.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from drujax.errors import UsageError
from drujax.losses.retinex import total_variation
from drujax.methods.spec import EnhancerNetwork, MethodSpec, Model
from drujax.models.layers.conv import resize_aligned

DARKEST = 1e-4  # added to the illumination, by which values are divided
REGION = 16  # side of the regions whose illumination has a target
EVEN = 1e-8  # variance that the guided filter adds
FREQUENCY = 30.0  # of the sines
SEED = 0  # of the initial weights

Map = Float[Array, "b h w"]
Small = Float[Array, "s s"]


class Fitted(NamedTuple):
    """What was fitted to the images: the sampled value, and the same over the illumination."""

    value: Float[Array, "b s s"]
    enhanced: Float[Array, "b s s"]


class CoLIE(nn.Module):
    """images b h w 3 in [0, 1] and what was fitted to them -> enhanced b h w 3 in [0, 1]. A module without parameters.

    Attributes:
        side: height and width at which the illumination is fitted, at least 16.
        steps: of the fit.
        window: side of the window of values that the network sees at each place, odd.
        target: square root of the illumination aimed at; lower is brighter.
        fidelity, smoothness, exposure, sparsity: weights of the loss's terms.
    """

    side: int = 256
    steps: int = 100
    window: int = 1
    target: float = 0.5
    fidelity: float = 1.0
    smoothness: float = 20.0
    exposure: float = 8.0
    sparsity: float = 5.0

    def __call__(self, images: Float[Array, "b h w 3"], fitted: Fitted) -> Float[Array, "b h w 3"]:
        images = _over_largest(images)
        value = images.max(-1)
        enhanced = jnp.clip(upsampled(fitted.value, fitted.enhanced, value), 0, 1)[..., None]
        # Black has no hue: it becomes grey.
        colour = jnp.where(value[..., None] > 0, images / jnp.where(value > 0, value, 1)[..., None], 1)
        return _over_largest(colour * enhanced)


class Siren(nn.Module):
    """Windows of values and places, n p and n 2 -> n in [0, 1]. The layers have the official names."""

    features: int = 256

    @nn.compact
    def __call__(self, windows: Float[Array, "n p"], places: Float[Array, "n 2"]) -> Float[Array, " n"]:
        branches = []
        for name, x in (("patch_net", windows), ("spatial_net", places)):
            x = self._sine(x, self.features, f"{name}.0", 1 / x.shape[-1])
            branches.append(self._sine(x, self.features // 2, f"{name}.1"))
        x = self._sine(jnp.concatenate(branches, -1), self.features, "output_net.0")
        return nn.sigmoid(_dense(x, 1, "output_net.1", self.features**-0.5))[:, 0]

    def _sine(self, x, features, name, bound=None):
        # Below the first layers the bound keeps the distribution of the sines' arguments.
        bound = np.sqrt(6 / x.shape[-1]) / FREQUENCY if bound is None else bound
        return jnp.sin(FREQUENCY * _dense(x, features, name, bound))


def fit(module: CoLIE, images: Float[Array, "b h w 3"]) -> Fitted:
    """Fits the illumination of each image."""
    value = _sampled(images, side=module.side)
    return Fitted(value, _fitted(value, module=module))


@partial(jax.jit, static_argnames="side")
def _sampled(images, *, side):
    """The value at side x side places, as PyTorch's `interpolate(mode="nearest")` selects them."""
    rows, columns = (np.arange(side) * n // side for n in images.shape[1:3])
    return _over_largest(images).max(-1)[:, rows][:, :, columns]


@partial(jax.jit, static_argnames="module")
def _fitted(value, *, module):
    def one(value: Small) -> Small:
        params = fitted_network(module, value, initial_network(module, value))
        return value / (_illumination(module, params, value) + DARKEST)

    return jax.lax.map(one, value)


def initial_network(module: CoLIE, value: Small) -> Any:
    """Return the network's variables before the fit."""
    return Siren().init(jax.random.key(SEED), windows(value, module.window), places(module.side))


def fitted_network(module: CoLIE, value: Small, variables: Any) -> Any:
    """Return the variables with which the last step of the fit computes its loss."""
    # PyTorch's Adam adds the weight decay to the gradient.
    optimiser = optax.chain(optax.add_decayed_weights(3e-4), optax.adam(1e-5))

    def step(_, carry):
        variables, state = carry
        loss = lambda v: illumination_loss(module, value, _illumination(module, v, value))  # noqa: E731
        updates, state = optimiser.update(jax.grad(loss)(variables), state, variables)
        return optax.apply_updates(variables, updates), state

    return jax.lax.fori_loop(0, module.steps - 1, step, (variables, optimiser.init(variables)))[0]


def illumination_loss(module: CoLIE, value: Small, illumination: Small) -> Float[Array, ""]:
    """The illumination resembles the value and is smooth, its regions have their target, and the result is dark."""
    whole = module.side // REGION
    regions = illumination[: whole * REGION, : whole * REGION].reshape(whole, REGION, whole, REGION).mean((1, 3))
    return (
        module.fidelity * ((illumination - value) ** 2).mean()
        + module.smoothness * total_variation(illumination[None, ..., None])[0]
        + module.exposure * ((jnp.sqrt(regions) - module.target) ** 2).mean()
        + module.sparsity * (value / (illumination + DARKEST)).mean()
    )


def windows(value: Small, side: int) -> Float[Array, "n p"]:
    """The values in the window around each place, row by row; the border is reflected."""
    n, radius = value.shape[0], side // 2
    padded = jnp.pad(value, radius, mode="reflect")
    shifted = [padded[i : i + n, j : j + n] for i in range(side) for j in range(side)]
    return jnp.stack(shifted, -1).reshape(n * n, side * side)


def places(side: int) -> Float[Array, "n 2"]:
    """Column and row of each place, from 0 to 1."""
    rows, columns = np.meshgrid(*2 * [np.linspace(0, 1, side, dtype=np.float32)], indexing="ij")
    return jnp.asarray(np.stack([columns, rows], -1).reshape(-1, 2))


def upsampled(small: Float[Array, "b s s"], enhanced: Float[Array, "b s s"], value: Map) -> Map:
    """The enhanced value at full size by the fast guided filter (He and Sun, arXiv:1505.00996), radius 1.

    In windows of 3x3, `enhanced` is fitted as a linear function of `small`; slopes and offsets are interpolated, and
    applied to the value at full size.
    """
    means = [_mean(_around(x)) for x in (small, enhanced)]
    residuals = [[x - mean for x in _around(y)] for y, mean in zip((small, enhanced), means, strict=True)]
    variance, covariance = (_mean(x * y for x, y in zip(residuals[0], others, strict=True)) for others in residuals)
    slope = covariance / (variance + EVEN)
    linear = jnp.stack([slope, means[1] - slope * means[0]], -1)
    slope, offset = jnp.moveaxis(resize_aligned(linear, value.shape[1:]), -1, 0)
    return slope * value + offset


def _around(x: Map) -> Iterator[Map]:
    """Yields x shifted to each of its 3x3 neighbours; NaN beyond the border."""
    _, h, w = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=jnp.nan)
    return (padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3))


def _mean(maps: Iterable[Map]) -> Map:
    return jnp.nanmean(jnp.stack(list(maps)), 0)


def _illumination(module: CoLIE, variables: Any, value: Small) -> Small:
    difference: Any = Siren().apply(variables, windows(value, module.window), places(module.side))
    return difference.reshape(value.shape) + value


def _dense(x, features, name, bound):
    """A dense layer whose weights are uniform within ±bound, and whose biases are PyTorch's."""
    return nn.Dense(features, name=name, kernel_init=_uniform(bound), bias_init=_uniform(x.shape[-1] ** -0.5))(x)


def _uniform(bound: float):
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


def _over_largest(images: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    largest = images.max((1, 2, 3), keepdims=True)
    return images / jnp.where(largest > 0, largest, 1)


def _build(**options: Any) -> CoLIE:
    if options["side"] < REGION:
        raise UsageError(f"option side: must be >= {REGION}, got {options['side']}")
    if options["window"] % 2 == 0 or options["window"] > options["side"]:
        raise UsageError(f"option window: must be odd and at most side, got {options['window']}")
    return CoLIE(**options)


def _run(module: CoLIE, images: Any, fitted: Fitted) -> Any:
    return module(images, fitted)


SPEC = MethodSpec(
    summary="CoLIE: an implicit representation of the illumination, fitted to each picture (Chobola et al., ECCV 2024)",
    network=EnhancerNetwork(
        summary="CoLIE's network of sines, fitted to each picture (133,121 parameters)",
        build=_build,
        run=_run,
        fit=fit,
        options={
            "side": 256,
            "steps": 100,
            "window": 1,
            "target": 0.5,
            "fidelity": 1.0,
            "smoothness": 20.0,
            "exposure": 8.0,
            "sparsity": 5.0,
        },
        licence="Apache-2.0",
    ),
    models=(
        Model(
            "colie",
            "CoLIE, fitted to each picture: slow without a GPU",
            "It needs no weights.",
            has_weights=False,
        ),
    ),
)

"""RUAS's networks: unrolled illumination estimation and noise removal, with the released or any other cells.

Liu et al., "Retinex-inspired Unrolling with Cooperative Prior Architecture Search", CVPR 2021; official code
KarelZhang/RUAS at f621bb19, whose layer names are kept.
"""

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, Parameters, conv2d
from drujax.models.ruas_cells import OPERATIONS, PLACES, RELEASED, genotype

DARKEST = 0.001  # lower bound of the illumination, which images are divided by
LAST_LAYER = "activate.0"  # of the noise removal network
Shares = Float[Array, "places operations"]  # mixture weights; each row sums to 1


class Step(NamedTuple):
    """Outputs of one unrolled step, each b h w 3."""

    illumination: Float[Array, "b h w 3"]
    enhanced: Float[Array, "b h w 3"]


class Operation(nn.Module):
    """One of OPERATIONS: "res" adds the input, "dil" has dilation 2, "skip" is the identity."""

    kind: str

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        if self.kind == "skip":
            return x
        size = int(self.kind[-1])
        dilation = 2 if "dil" in self.kind else 1
        y = Conv(x.shape[-1], size, padding=dilation * (size // 2), dilation=dilation, name="op")(x)
        return y + x if self.kind.startswith("res") else y


class Mixture(nn.Module):
    """Weighted sum of all OPERATIONS on the same features, as in a differentiable architecture search.

    The operations are linear, so the sum is two 3x3 convolutions, one of them dilated; smaller kernels are zero-padded
    to 3x3.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], shares: Float[Array, " operations"]) -> Float[Array, "b h w c"]:
        c = x.shape[-1]
        kernels = {dilation: jnp.zeros((3, 3, c, c)) for dilation in (1, 2)}
        bias = jnp.zeros(c)
        for i, (kind, share) in enumerate(zip(OPERATIONS, shares, strict=True)):
            if "res" in kind or kind == "skip":
                kernels[1] = kernels[1].at[1, 1].add(share * jnp.eye(c))
            if kind == "skip":
                continue
            size = int(kind[-1])
            own = Parameters((size, size, c, c), name=f"_ops.{i}.op")()
            margin = (3 - size) // 2
            kernel = jnp.pad(own.kernel, ((margin, margin), (margin, margin), (0, 0), (0, 0)))
            dilation = 2 if "dil" in kind else 1
            kernels[dilation] = kernels[dilation] + share * kernel
            bias = bias + share * own.bias
        convolved = (conv2d(x, kernel, padding=dilation, dilation=dilation) for dilation, kernel in kernels.items())
        return sum(convolved, start=bias)


class Cell(nn.Module):
    """Features b h w c -> b h w c: three distilled branches of a residual path and its end, fused by a 1x1 convolution.

    `genotype` names the operation at each of PLACES. With `shares`, each place has the mixture of all operations that
    the search chooses from.
    """

    genotype: tuple[str, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], shares: Shares | None = None) -> Float[Array, "b h w c"]:
        def operate(name, x):
            place = PLACES.index(name)
            if shares is None:
                return Operation(self.genotype[place], name=name)(x)
            return Mixture(name=name)(x, shares[place])

        kept = []
        for level in (1, 2, 3):
            kept.append(_activate(operate(f"c{level}_d", x)))
            x = _activate(operate(f"c{level}_r", x) + x)
        kept.append(_activate(operate("c4", x)))
        return Conv(x.shape[-1], 1, name="c5")(jnp.concatenate(kept, -1))


class IlluminationEstimation(nn.Module):
    """Image b h w 3 in [0, 1] -> the three unrolled steps (IEM). For `shares` see `Cell`."""

    genotype: tuple[str, ...] = RELEASED["illumination"]

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], shares: Shares | None = None) -> list[Step]:
        steps: list[Step] = []
        for k in range(3):
            if steps:
                before = steps[-1].enhanced
                x = brightest_neighbour(before) - 0.5 * (before - image)
            else:
                x = brightest_neighbour(image)
            estimate = nn.sigmoid(Cell(self.genotype, name=f"iems.{k}.cell")(x, shares))
            illumination = jnp.clip(estimate, DARKEST, 1.0)
            steps.append(Step(illumination, jnp.clip(image / illumination, 0.0, 1.0)))
        return steps


class NoiseRemoval(nn.Module):
    """Image b h w 3 -> estimated noise b h w 3 (NRM). For `shares` see `Cell`."""

    genotype: tuple[str, ...] = RELEASED["noise"]
    features: int = 6

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], shares: Shares | None = None) -> Float[Array, "b h w 3"]:
        x = Conv(self.features, 3, padding=1, name="stem")(x)
        for k in range(3):
            x = Cell(self.genotype, name=f"nrms.{k}")(x, shares)
        return Conv(3, 3, padding=1, name=LAST_LAYER)(x)


class RUAS(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3, not clipped; the three unrolled steps).

    Attributes:
        denoise: subtract the estimated noise from the last step's output, as the official test does with the LOL
            weights.
        illumination, noise: genotypes of the two networks' cells, see `genotype`.
    """

    denoise: bool = True
    illumination: str = "released"
    noise: str = "released"

    def setup(self):
        self.enhance_net = IlluminationEstimation(genotype("illumination", self.illumination))
        self.denoise_net = NoiseRemoval(genotype("noise", self.noise))

    def __call__(
        self, image: Float[Array, "b h w 3"], shares: Mapping[str, Shares] | None = None
    ) -> tuple[Float[Array, "b h w 3"], list[Step]]:
        shares = shares or {}
        steps = self.enhance_net(image, shares.get("illumination"))
        enhanced = steps[-1].enhanced
        # Always called, so that the parameters match the checkpoints.
        noise = self.denoise_net(enhanced, shares.get("noise"))
        return enhanced - noise if self.denoise else enhanced, steps


def brightest_neighbour(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Maximum over 2x2 windows at stride 1 (a pixel, its right and lower neighbours), zero-padded at the border."""
    x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")


def _activate(x):
    return nn.leaky_relu(x, 0.05)

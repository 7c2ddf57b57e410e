"""RUAS's networks: unrolled illumination estimation and noise removal, with the cells that its search found.

Liu et al., "Retinex-inspired Unrolling with Cooperative Prior Architecture Search", CVPR 2021; official code
KarelZhang/RUAS at f621bb19, whose names the layers carry.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.conv import Conv

DARKEST = 0.001  # of an illumination: pictures are divided by it
LAST_LAYER = "activate.0"  # of noise removal
PLACES = ("c1_d", "c1_r", "c2_d", "c2_r", "c3_d", "c3_r", "c4")
# The released genotypes: the operation at each of PLACES.
ILLUMINATION = ("skip", "resconv1x1", "resdilconv3x3", "conv3x3", "conv3x3", "skip", "conv3x3")
NOISE = ("resconv1x1", "resconv1x1", "resdilconv3x3", "skip", "resconv1x1", "resconv1x1", "skip")


class Step(NamedTuple):
    """What one of the unrolled steps made, each b h w 3."""

    illumination: Float[Array, "b h w 3"]
    enhanced: Float[Array, "b h w 3"]


class Operation(nn.Module):
    """One of the search space: [res][dil]conv{1x1,3x3}; "res" adds the input, "dil" has a dilation of 2."""

    kind: str

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        size = int(self.kind[-1])
        dilation = 2 if "dil" in self.kind else 1
        y = Conv(x.shape[-1], size, padding=dilation * (size // 2), dilation=dilation, name="op")(x)
        return y + x if self.kind.startswith("res") else y


class Cell(nn.Module):
    """Features b h w c -> the same: three distillations of a residual path, and what is left, joined by 1x1."""

    genotype: tuple[str, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        operations = dict(zip(PLACES, self.genotype, strict=True))

        def operate(place, x):
            kind = operations[place]
            return x if kind == "skip" else Operation(kind, name=place)(x)

        kept = []
        for level in (1, 2, 3):
            kept.append(_activate(operate(f"c{level}_d", x)))
            x = _activate(operate(f"c{level}_r", x) + x)
        kept.append(_activate(operate("c4", x)))
        return Conv(x.shape[-1], 1, name="c5")(jnp.concatenate(kept, -1))


class IlluminationEstimation(nn.Module):
    """Image b h w 3 in [0, 1] -> its three unrolled steps (IEM)."""

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> list[Step]:
        steps: list[Step] = []
        for k in range(3):
            if steps:
                before = steps[-1].enhanced
                x = brightest_neighbour(before) - 0.5 * (before - image)
            else:
                x = brightest_neighbour(image)
            illumination = jnp.clip(nn.sigmoid(Cell(ILLUMINATION, name=f"iems.{k}.cell")(x)), DARKEST, 1.0)
            steps.append(Step(illumination, jnp.clip(image / illumination, 0.0, 1.0)))
        return steps


class NoiseRemoval(nn.Module):
    """Picture b h w 3 -> its noise, b h w 3 (NRM)."""

    features: int = 6

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        x = Conv(self.features, 3, padding=1, name="stem")(x)
        for k in range(3):
            x = Cell(NOISE, name=f"nrms.{k}")(x)
        return Conv(3, 3, padding=1, name=LAST_LAYER)(x)


class RUAS(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3, not clipped; the three illumination steps).

    Attributes:
        denoise: remove the noise of the last step's picture, as the official test does with the weights from LOL.
    """

    denoise: bool = True

    def setup(self):
        self.enhance_net = IlluminationEstimation()
        self.denoise_net = NoiseRemoval()

    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], list[Step]]:
        steps = self.enhance_net(image)
        enhanced = steps[-1].enhanced
        noise = self.denoise_net(enhanced)  # also where it is not used: the checkpoints hold its parameters
        return enhanced - noise if self.denoise else enhanced, steps


def brightest_neighbour(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The maximum of each pixel, the ones below, to the right, and between them; zeros lie beyond the border."""
    x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")


def _activate(x):
    return nn.leaky_relu(x, 0.05)

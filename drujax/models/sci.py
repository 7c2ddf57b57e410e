"""SCI's networks: illumination estimation, in several stages during training and in one pass afterwards.

Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022; official code vis-opt-group/SCI
at 9d28a3f1, whose layer names are kept.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.layers.norm import BatchNorm

DARKEST = 1e-4  # lower bound of the illumination, which images are divided by


class Stage(NamedTuple):
    """Input and outputs of one stage of the training network, each b h w 3."""

    input: Float[Array, "b h w 3"]
    illumination: Float[Array, "b h w 3"]
    reflectance: Float[Array, "b h w 3"]
    attention: Float[Array, "b h w 3"]


class Enhance(nn.Module):
    """Image b h w 3 in [0, 1] -> illumination b h w 3 in [1e-4, 1]."""

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool) -> Float[Array, "b h w 3"]:
        x = nn.relu(Conv(3, 3, padding=1, name="in_conv.0")(image))
        y = Conv(3, 3, padding=1, name="conv.0")(x)
        x = x + nn.relu(BatchNorm(name="conv.1")(y, train=train))
        x = nn.sigmoid(Conv(3, 3, padding=1, name="out_conv.0")(x))
        return jnp.clip(x + image, DARKEST, 1.0)


class Calibrate(nn.Module):
    """Reflectance b h w 3 -> residual b h w 3 that the next stage's input adds. The blocks share their weights."""

    features: int = 16
    blocks: int = 3

    @nn.compact
    def __call__(self, reflectance: Float[Array, "b h w 3"], *, train: bool) -> Float[Array, "b h w 3"]:
        x = Conv(self.features, 3, padding=1, name="in_conv.0")(reflectance)
        x = nn.relu(BatchNorm(name="in_conv.1")(x, train=train))
        convolutions = [Conv(self.features, 3, padding=1, name=f"convs.{i}") for i in (0, 3)]
        norms = [BatchNorm(name=f"convs.{i}") for i in (1, 4)]
        for _ in range(self.blocks):
            y = x
            for convolve, normalise in zip(convolutions, norms, strict=True):
                y = nn.relu(normalise(convolve(y), train=train))
            x = x + y
        return reflectance - nn.sigmoid(Conv(3, 3, padding=1, name="out_conv.0")(x))


class SCI(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3 in [0, 1], illumination b h w 3), the inference network.

    `stages` is the training network; `init(..., method="stages")` also creates its additional parameters
    (`calibrate`).
    """

    def setup(self):
        self.enhance = Enhance()
        self.calibrate = Calibrate()

    def __call__(
        self, image: Float[Array, "b h w 3"], *, train: bool = False
    ) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"]]:
        illumination = self.enhance(image, train=train)
        return _reflectance(image, illumination), illumination

    def stages(self, image: Float[Array, "b h w 3"], *, count: int = 3, train: bool) -> list[Stage]:
        """Runs `count` stages with shared weights; the input of each after the first is the image plus the calibrated
        residual.
        """
        stage_input, outputs = image, []
        for _ in range(count):
            illumination = self.enhance(stage_input, train=train)
            reflectance = _reflectance(image, illumination)
            attention = self.calibrate(reflectance, train=train)
            outputs.append(Stage(stage_input, illumination, reflectance, attention))
            stage_input = image + attention
        return outputs


def _reflectance(image, illumination):
    return jnp.clip(image / illumination, 0.0, 1.0)

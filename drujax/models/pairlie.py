"""PairLIE's networks: removal of what is neither illumination nor reflectance, and the decomposition of the rest.

Fu et al., "Learning a Simple Low-light Image Enhancer from Paired Low-light Instances", CVPR 2023; official code
zhenqifu/PairLIE at 3fd5c158, whose layer names are kept.
"""

from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, reflect


class Decomposition(NamedTuple):
    """An image as illumination times reflectance, all in (0, 1)."""

    illumination: Float[Array, "b h w 1"]
    reflectance: Float[Array, "b h w 3"]
    cleaned: Float[Array, "b h w 3"]  # the image that was decomposed, without noise


class Convolutions(nn.Module):
    """b h w 3 -> b h w outputs in (0, 1): five 3x3 convolutions with reflection padding, then the logistic function."""

    prefix: str
    outputs: int
    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b h w _"]:
        for index in (1, 4, 7, 10):
            x = nn.relu(Conv(self.features, 3, name=f"{self.prefix}.{index}")(reflect(x, 1)))
        return nn.sigmoid(Conv(self.outputs, 3, name=f"{self.prefix}.13")(reflect(x, 1)))


class PairLIE(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3 in [0, 1], `Decomposition`), any h, w >= 1.

    Attributes:
        exponent: of the illumination in the enhanced image, illumination^exponent times reflectance: 0.2 by default in
            the official test, 0.14 for LOL.
        features: channels of the hidden layers.
    """

    exponent: float = 0.2
    features: int = 64

    def setup(self):
        self.L_net = Convolutions("L_net", 1, self.features)
        self.R_net = Convolutions("R_net", 3, self.features)
        self.N_net = Convolutions("N_net", 3, self.features)

    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h w 3"], Decomposition]:
        cleaned = self.N_net(image)
        illumination, reflectance = self.L_net(cleaned), self.R_net(cleaned)
        return illumination**self.exponent * reflectance, Decomposition(illumination, reflectance, cleaned)

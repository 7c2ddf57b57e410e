"""EnlightenGAN's two discriminators: PatchGANs without normalisation layers (official `no_norm_4`)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv


class PatchDiscriminator(nn.Module):
    """Image b h w 3 in [-1, 1] -> raw scores b h' w' 1 (no sigmoid), in the dtype of the image.

    `strided_layers` convolutions of stride 2, then two of stride 1, all with 4x4 kernels and padding 2, and
    LeakyReLU(0.2) between them. Layers are named model.0, model.2, ... as in the official checkpoints.

    Attributes:
        strided_layers: 5 for the global discriminator D_A (receptive field 286 pixels), 4 for the local one D_P.
        features: channels of the first layer; doubled per layer, up to a factor of 8.
        dtype: of the computation; None uses the dtype of the image and the parameters.
    """

    strided_layers: int = 5
    features: int = 64
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 1"]:
        x = image
        for i in range(self.strided_layers + 1):
            stride = 2 if i < self.strided_layers else 1
            x = nn.leaky_relu(self._conv(x, f"model.{2 * i}", self.features * min(2**i, 8), stride), 0.2)
        return self._conv(x, f"model.{2 * self.strided_layers + 2}", 1, 1).astype(image.dtype)

    def _conv(self, x, name: str, features: int, stride: int):
        return Conv(features, 4, stride=stride, padding=2, dtype=self.dtype, name=name)(x)

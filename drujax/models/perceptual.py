"""VGG16 up to relu5_1, for EnlightenGAN's self-feature-preserving loss."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, max_pool2


class VGG16Features(nn.Module):
    """RGB image b h w 3 in [-1, 1] -> relu5_1, b h/8 w/8 8*width, in the dtype of the image.

    Differs from the usual relu5_1 on purpose, as the official code does: block 5 is not preceded by pooling (stride 8),
    and the input is BGR in 0..255 *without* mean subtraction, although the Caffe weights were trained with it. Inputs
    are not clamped.

    Attributes:
        width: channels of the first block (VGG16: 64).
        dtype: of the computation; None uses the dtype of the image and the parameters.
    """

    width: int = 64
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b h2 w2 c"]:
        x = (image[..., ::-1] + 1) * 127.5
        for block, (layers, factor) in enumerate([(2, 1), (2, 2), (3, 4), (3, 8), (1, 8)], start=1):
            if 1 < block < 5:
                x = max_pool2(x)
            for layer in range(1, layers + 1):
                name = f"conv{block}_{layer}"
                x = nn.relu(Conv(self.width * factor, 3, padding=1, dtype=self.dtype, name=name)(x))
        return x.astype(image.dtype)

"""EnlightenGAN's generator: a U-Net guided by an attention map of darkness (official `sid_unet_resize`, use_norm 1).

Layers have the official names (conv1_1, bn1_1, ..., deconv5, conv10), so that checkpoints convert by name.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, Place, max_pool2, upsample2
from drujax.models.layers.norm import BatchNorm

# The official code enhances wider images at half size, to fit into the memory of its GPU.
WIDE = 2200


def attention_map(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 1"]:
    """Computes 1 - luma (ITU-R 601) of an image in [-1, 1]: 1 for black, 0 for white."""
    r, g, b = ((image[..., c : c + 1] + 1) / 2 for c in range(3))
    return 1 - (0.299 * r + 0.587 * g + 0.114 * b)


class Generator(nn.Module):
    """(image b h w 3 in [-1, 1], attention b h w 1 in [0, 1]) -> (enhanced b h w 3, latent b h w 3), any h, w >= 1.

    enhanced = image + latent, where latent is the output of the last layer times the attention. There is no tanh and no
    clamp, so enhanced may leave [-1, 1]. Inputs are padded by reflection to multiples of 16, outputs are cropped back.
    `place` is that of a tile in its picture, whose sides are multiples of 16 (only `align_corners` depends on it).

    Attributes:
        align_corners: of the decoder's upsampling. The official release was trained with True (the only behaviour of
            torch 0.3.1); its code on any later torch runs with False.
        ghost_batches: see BatchNorm; 3 reproduces the official training on three GPUs.
        wide_pool: enhance images wider than 2200 pixels at half size, as the official code does; the returned latent
            has half the size. An odd last row or column is repeated first (the official result is one pixel short).
        width: channels of the first level (official: 32); each of the four levels below doubles them.
        dtype: of the computation; None uses the dtype of the inputs and the parameters. Outputs have the image's dtype.
    """

    align_corners: bool = False
    ghost_batches: int = 1
    wide_pool: bool = False
    width: int = 32
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        attention: Float[Array, "b h w 1"],
        *,
        train: bool,
        place: Place | None = None,
    ) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h2 w2 3"]]:
        if not (self.wide_pool and image.shape[2] > WIDE):
            return self._enhance(image, attention, train=train, place=place)
        _, h, w, _ = image.shape
        enhanced, latent = self._enhance(_halve(image), _halve(attention), train=train)
        return upsample2(enhanced, align_corners=self.align_corners)[:, :h, :w], latent

    def _enhance(self, image, attention, *, train: bool, place: Place | None = None):
        _, h, w, _ = image.shape
        top, left = -h % 16 // 2, -w % 16 // 2
        margins = ((0, 0), (top, -h % 16 - top), (left, -w % 16 - left), (0, 0))
        x = jnp.pad(image, margins, mode="reflect")
        a1 = jnp.pad(attention, margins, mode="reflect")
        pyramid = [a1]
        for _ in range(4):
            pyramid.append(max_pool2(pyramid[-1]))

        x = jnp.concatenate([x, a1], -1)
        skips = []
        for level in (1, 2, 3, 4):
            x = self._block(x, f"{level}_1", self.width * 2 ** (level - 1), train=train)
            x = self._block(x, f"{level}_2", self.width * 2 ** (level - 1), train=train)
            skips.append(x * pyramid[level - 1].astype(x.dtype))  # attention on the skip connection, not the encoder
            x = max_pool2(x)
        x = self._block(x, "5_1", self.width * 16, train=train)
        x = self._block(x * pyramid[4].astype(x.dtype), "5_2", self.width * 16, train=train)
        for level in (6, 7, 8, 9):
            features = self.width * 2 ** (9 - level)
            scale = 2 ** (10 - level)  # of the map that is upsampled
            smaller = None if place is None else (place[0].over(scale), place[1].over(scale))
            x = upsample2(x, align_corners=self.align_corners, place=smaller)
            x = self._conv(x, f"deconv{level - 1}", features, 3)
            x = jnp.concatenate([x, skips.pop()], -1)
            x = self._block(x, f"{level}_1", features, train=train)
            x = self._block(x, f"{level}_2", features, train=train, norm=level < 9)
        latent = self._conv(x, "conv10", 3, 1).astype(image.dtype) * a1
        latent = latent[:, top : top + h, left : left + w]
        return image + latent, latent

    def _block(self, x, name: str, features: int, *, train: bool, norm: bool = True):
        """Convolution, activation, normalisation, in this order."""
        x = nn.leaky_relu(self._conv(x, f"conv{name}", features, 3), 0.2)
        if not norm:
            return x
        return BatchNorm(self.ghost_batches, name=f"bn{name}")(x, train=train)

    def _conv(self, x, name: str, features: int, kernel_size: int):
        return Conv(features, kernel_size, padding=kernel_size // 2, dtype=self.dtype, name=name)(x)


def _halve(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Averages 2x2 pixels, after repeating an odd last row or column."""
    b, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    return x.reshape(b, (h + 1) // 2, 2, (w + 1) // 2, 2, c).mean((2, 4))

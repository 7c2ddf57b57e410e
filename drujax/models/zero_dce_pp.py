"""Zero-DCE++'s network: a curve for each pixel, estimated on a small copy of the picture and applied to the whole.

Li et al., "Learning to Enhance Low-Light Image via Zero-Reference Deep Curve Estimation", TPAMI 2021; official code
Li-Chongyi/Zero-DCE_extension at 09f202b6, whose names the layers carry.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.conv import Conv, resize_aligned

ITERATIONS = 8


class ZeroDCEpp(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3, curve b h w 3 in [-1, 1]), any h, w >= 1 (smaller with `crop`).

    enhanced is not clipped: x <- x + A (x² - x), eight times with the same curve A.

    Attributes:
        ratio: by which the picture is shrunk before its curve is estimated: 12 in the official test, 1 in training.
            Sides that it does not divide are extended at the bottom and right by reflection and cut back.
        features: channels of the inner layers.
        crop: cut such sides to a multiple at the bottom and right, as the official test does; shorter ones than one
            ratio are still extended.
    """

    ratio: int = 12
    features: int = 32
    crop: bool = False

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b h2 w2 3"], Float[Array, "b h2 w2 3"]]:
        if self.crop:
            h, w = (side // self.ratio * self.ratio or side for side in image.shape[1:3])
            image = image[:, :h, :w]
        _, h, w, _ = image.shape
        margins = ((0, 0), (0, -h % self.ratio), (0, -w % self.ratio), (0, 0))
        whole = jnp.pad(image, margins, mode="reflect")
        curve = self._curve(_shrink(whole, self.ratio))
        if self.ratio > 1:
            curve = resize_aligned(curve, whole.shape[1:3])
        curve = curve[:, :h, :w]
        enhanced = image
        for _ in range(ITERATIONS):
            enhanced = enhanced + curve * (enhanced**2 - enhanced)
        return enhanced, curve

    def _curve(self, x):
        x1 = nn.relu(self._layer(x, 1))
        x2 = nn.relu(self._layer(x1, 2))
        x3 = nn.relu(self._layer(x2, 3))
        x4 = nn.relu(self._layer(x3, 4))
        x5 = nn.relu(self._layer(jnp.concatenate([x3, x4], -1), 5))
        x6 = nn.relu(self._layer(jnp.concatenate([x2, x5], -1), 6))
        return jnp.tanh(self._layer(jnp.concatenate([x1, x6], -1), 7, features=3))

    def _layer(self, x, number: int, features: int | None = None):
        """A depthwise and a pointwise convolution."""
        channels = x.shape[-1]
        x = Conv(channels, 3, padding=1, groups=channels, name=f"e_conv{number}.depth_conv")(x)
        return Conv(features or self.features, 1, name=f"e_conv{number}.point_conv")(x)


def _shrink(x: Float[Array, "b h w c"], ratio: int) -> Float[Array, "b h2 w2 c"]:
    """PyTorch's `interpolate(scale_factor=1 / ratio, mode="bilinear")`, which samples the middle of each cell.

    Without antialiasing: the middle is one pixel of an odd cell, and lies between two of an even one.
    """
    for axis in (1, 2):
        x = x.reshape(*x.shape[:axis], x.shape[axis] // ratio, ratio, *x.shape[axis + 1 :])
        middle = (slice(None),) * (axis + 1) + (slice((ratio - 1) // 2, ratio // 2 + 1),)
        x = x[middle].mean(axis + 1)
    return x

"""Zero-DCE++'s network: per-pixel curves, estimated on a downsampled image and applied at full size.

Li et al., "Learning to Enhance Low-Light Image via Zero-Reference Deep Curve Estimation", TPAMI 2021; official code
Li-Chongyi/Zero-DCE_extension at 09f202b6, whose layer names are kept.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.layers.conv import Parameters, conv2d, resize_aligned

ITERATIONS = 8
Resize = tuple[Float[Array, "h rows"], Float[Array, "w columns"]]  # the weights of rows, and of columns


class ZeroDCEpp(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3, curve b h w 3 in [-1, 1]), any h, w >= 1 (smaller with `crop`).

    enhanced is x <- x + A x (x - 1), applied eight times with the same curve A, and is not clipped.

    Attributes:
        ratio: downsampling factor for estimating the curve: 12 in the official test, 1 in training. Images whose height
            or width is not a multiple are padded at the bottom and right by reflection, and the result is cropped back.
        features: channels of the hidden layers.
        crop: crop to multiples of `ratio` instead, as the official test does; heights and widths below `ratio` are
            still padded.
    """

    ratio: int = 12
    features: int = 32
    crop: bool = False

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], resize: Resize | None = None
    ) -> tuple[Float[Array, "b h2 w2 3"], Float[Array, "b h2 w2 3"]]:
        """`resize` is that of the curve of a tile whose sides are multiples of `ratio`; its place is in these."""
        if resize is not None:
            rows, columns = resize
            small = self._curve(_shrink(image, self.ratio))
            curve = jnp.einsum("ih,bhwc,jw->bijc", rows, small, columns, precision=jax.lax.Precision.HIGHEST)
            return apply_curves(image, curve), curve
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
        return apply_curves(image, curve), curve

    def _curve(self, x):
        x1 = nn.relu(self._layer(1, x))
        x2 = nn.relu(self._layer(2, x1))
        x3 = nn.relu(self._layer(3, x2))
        x4 = nn.relu(self._layer(4, x3))
        x5 = nn.relu(self._layer(5, x3, x4))
        x6 = nn.relu(self._layer(6, x2, x5))
        return jnp.tanh(self._layer(7, x1, x6, features=3))

    def _layer(self, number: int, *maps: Float[Array, "b h w _"], features: int | None = None):
        """Depthwise and pointwise convolution of the concatenated `maps`, without concatenating them.

        Both convolutions are linear, so the depthwise bias is folded into the pointwise one. Large maps are bound by
        memory bandwidth: skipping the concatenation, folding the bias, and padding once, outside the convolution
        (whose gradient would pad again), each save a pass over all of them.
        """
        channels, features = sum(x.shape[-1] for x in maps), features or self.features
        depth = Parameters((3, 3, 1, channels), name=f"e_conv{number}.depth_conv")()
        point = Parameters((1, 1, channels, features), name=f"e_conv{number}.point_conv")()
        ends = np.cumsum([x.shape[-1] for x in maps])[:-1]
        depth_kernels, point_kernels = jnp.split(depth.kernel, ends, -1), jnp.split(point.kernel, ends, -2)
        y = point.bias + depth.bias @ point.kernel[0, 0]
        for x, depth_kernel, point_kernel in zip(maps, depth_kernels, point_kernels, strict=True):
            x = conv2d(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), depth_kernel, groups=x.shape[-1])
            y = y + conv2d(x, point_kernel)
        return y


@jax.checkpoint  # recomputing is faster than reading eight intermediate images back
def apply_curves(image: Float[Array, "b h w 3"], curves: Float[Array, "b h w c"]) -> Float[Array, "b h w 3"]:
    """Applies x <- x + A x (x - 1) eight times: `curves` is the A of all (c = 3), or one after the other (c = 24)."""
    maps = jnp.split(curves, curves.shape[-1] // 3, -1)
    for curve in maps * (ITERATIONS // len(maps)):
        image = image + curve * image * (image - 1)  # XLA:CPU takes 15 times as long for image**2 - image
    return image


def _shrink(x: Float[Array, "b h w c"], ratio: int) -> Float[Array, "b h2 w2 c"]:
    """PyTorch's `interpolate(scale_factor=1 / ratio, mode="bilinear")`: samples the centre of each cell.

    No antialiasing: along each axis the centre is one pixel if `ratio` is odd, and the mean of two if it is even.
    """
    for axis in (1, 2):
        x = x.reshape(*x.shape[:axis], x.shape[axis] // ratio, ratio, *x.shape[axis + 1 :])
        centre = (slice(None),) * (axis + 1) + (slice((ratio - 1) // 2, ratio // 2 + 1),)
        x = x[centre].mean(axis + 1)
    return x

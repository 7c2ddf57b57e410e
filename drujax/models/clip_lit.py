"""CLIP-LIT's enhancement network: estimates an illumination map and divides the image by it.

Liang et al., "Iterative Prompt Learning for Unsupervised Backlit Image Enhancement", ICCV 2023; official code
ZhexinLiang/CLIP-LIT at 25ed5be6, whose layer names are kept.
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv, resize_aligned
from drujax.models.layers.pool import adaptive_average_pool

Padding = Literal["reflect", "zeros"]
BINS = (1, 2, 3, 6)


class Tile(NamedTuple):
    """What a tile of a picture has from the whole.

    Attributes:
        rows, columns: the weights of the tile's pixels in the bins of each pool, one pool after the other; or, if
            `pooled` is known, those of the bins in the tile's pixels.
        pooled: the averages over all bins of the picture, pool after pool.
    """

    rows: Float[Array, "bins h"] | Float[Array, "h bins"]
    columns: Float[Array, "bins w"] | Float[Array, "w bins"]
    pooled: Float[Array, "b squares c"] | None = None


class PReLU(nn.Module):
    """x where positive, otherwise x times a learned slope shared by all channels."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        slope = self.param("weight", nn.initializers.constant(0.25), (1,))
        return jnp.where(x > 0, x, slope.astype(x.dtype) * x)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without bias, with reflection padding."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = x
        for name in ("conv1", "conv2"):
            y = Conv(x.shape[-1], 3, use_bias=False, name=name)(_pad(y, "reflect"))
            y = _activate(y if name == "conv1" else y + x)
        return y


class PyramidPooling(nn.Module):
    """Features b h w 32 -> b h w 32, fused with average pools of 1x1, 2x2, 3x3 and 6x6 bins."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], tile: Tile | None = None) -> Float[Array, "b h w c"]:
        _, h, w, c = x.shape
        parts = [x]
        for i, bins in enumerate(BINS):
            pooled = adaptive_average_pool(x, bins) if tile is None else _pooled(tile, i)
            y = Conv(c // len(BINS), 1, use_bias=False, name=f"features.{i}.1")(pooled)
            y = PReLU(name=f"features.{i}.2")(y)
            parts.append(resize_aligned(y, (h, w)) if tile is None else _spread(y, tile, i))
        y = Conv(c, 3, padding=1, use_bias=False, name="fuse.0")(jnp.concatenate(parts, -1))
        return PReLU(name="fuse.1")(y)


class CLIPLIT(nn.Module):
    """image b h w 3 in [0, 1] -> (enhanced b h w 3 in [0, 1], illumination b h w 1 >= 0), h, w >= 2.

    Attributes:
        padding: of the four plain convolutions. The official training pads with zeros and the official test by
            reflection, with the same weights; the residual blocks always reflect.
        epsilon: added to the illumination; 1e-9 in the official training. The official test adds nothing, so that
            black pixels with zero illumination are 0 / 0; here they stay black.
    """

    padding: Padding = "reflect"
    epsilon: float = 0.0

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], tile: Tile | None = None
    ) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 1"]] | Float[Array, "b squares 32"]:
        """With a tile that has no averages yet, returns its share of them."""
        x = _activate(self._conv(image, "cond1", 32))
        x = self._blocks(x, 1, 2)
        if tile is not None and tile.pooled is None:
            return _share(x, tile)
        x = PyramidPooling(name="PPM1")(x, tile)
        x = self._blocks(self._conv(x, "condx", 64), 3, 4)
        x = self._blocks(self._conv(x, "condy", 32), 5, 6)
        illumination = nn.relu(self._conv(x, "cond_add1", 1))
        divisor = illumination + self.epsilon
        lit = image / jnp.where(divisor > 0, divisor, 1.0)
        enhanced = jnp.where(divisor > 0, lit, jnp.where(image > 0, 1.0, 0.0))
        return jnp.clip(enhanced, 0.0, 1.0), illumination

    def _conv(self, x, name: str, features: int):
        return Conv(features, 3, name=name)(_pad(x, self.padding))

    def _blocks(self, x, *numbers: int):
        for number in numbers:
            x = ResidualBlock(name=f"ResidualBlock{number}")(x)
        return x


def bins_of(pool: int) -> slice:
    """The places of a pool's bins, 0..11, along one axis, when all are in one row."""
    return slice(sum(BINS[:pool]), sum(BINS[: pool + 1]))


def _share(x: Float[Array, "b h w c"], tile: Tile) -> Float[Array, "b squares c"]:
    """The tile's share of the averages over all bins."""
    shares = []
    for pool in range(len(BINS)):
        rows, columns = tile.rows[bins_of(pool)], tile.columns[bins_of(pool)]
        share = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x, precision=jax.lax.Precision.HIGHEST)
        shares.append(share.reshape(len(x), -1, x.shape[-1]))
    return jnp.concatenate(shares, 1)


def _pooled(tile: Tile, pool: int) -> Float[Array, "b side side c"]:
    """The averages over the bins of a pool."""
    assert tile.pooled is not None
    before, bins = sum(side**2 for side in BINS[:pool]), BINS[pool]
    pooled = tile.pooled[:, before : before + bins**2]
    return pooled.reshape(len(pooled), bins, bins, -1)


def _spread(y: Float[Array, "b side side c"], tile: Tile, pool: int) -> Float[Array, "b h w c"]:
    """The values of a pool's bins at the tile's pixels."""
    rows, columns = tile.rows[:, bins_of(pool)], tile.columns[:, bins_of(pool)]
    return jnp.einsum("hi,wj,bijc->bhwc", rows, columns, y, precision=jax.lax.Precision.HIGHEST)


def _pad(x: Float[Array, "b h w c"], mode: Padding) -> Float[Array, "b h2 w2 c"]:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect" if mode == "reflect" else "constant")


def _activate(x):
    return nn.leaky_relu(x, 0.2)

"""CLIP's ResNet image encoder (RN101 and others) with OpenAI's submodule names.

Differences from He et al.'s: the stem has three 3x3 convolutions and 2x2 average pooling; blocks downsample by 2x2
average pooling before the last convolution of the branch and before the shortcut's, instead of strides; the final
average pooling is replaced by attention pooling.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.layers.conv import Conv
from drujax.models.layers.norm import BatchNorm


class ModifiedResNet(nn.Module):
    """Images b h w 3 in CLIP's normalisation -> features b embedding, not normalised to unit length. Defaults: RN101.

    With `stages` it returns instead the feature maps by which CLIP-LIT compares images: the outputs of the stem
    (h/4 w/4) and of the four stages (h/4 w/4 to h/32 w/32).

    Inference only: batch norm uses the running statistics. h and w are multiples of 32, fixed by the positional
    embedding (224 for OpenAI's weights).

    Attributes:
        blocks: number of blocks in each of the four stages.
        width: of the first stage's 3x3 convolutions; a stage's output is four times as wide as these.
        heads: of the attention pooling; OpenAI's are 64 wide.
        embedding: number of features.
    """

    blocks: Sequence[int] = (3, 4, 23, 3)
    width: int = 64
    heads: int = 32
    embedding: int = 512

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w 3"], *, stages: bool = False
    ) -> Float[Array, "b k"] | list[Float[Array, "b _ _ _"]]:
        x = images
        for i, width in enumerate((self.width // 2, self.width // 2, self.width), start=1):
            x = Conv(width, 3, stride=2 if i == 1 else 1, padding=1, use_bias=False, name=f"conv{i}")(x)
            x = nn.relu(BatchNorm(name=f"bn{i}")(x, train=False))
        maps = [_halved(x)]
        for stage, repetitions in enumerate(self.blocks):
            x = maps[-1]
            for i in range(repetitions):
                halves = stage > 0 and i == 0
                x = Bottleneck(self.width * 2**stage, halves=halves, name=f"layer{stage + 1}.{i}")(x)
            maps.append(x)
        return maps if stages else AttentionPool(self.heads, self.embedding, name="attnpool")(maps[-1])


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to four times the width; with `halves`, 2x2 average pooling before the last."""

    width: int
    halves: bool

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 k"]:
        inner = x
        for i, size in ((1, 1), (2, 3)):
            inner = Conv(self.width, size, padding=size // 2, use_bias=False, name=f"conv{i}")(inner)
            inner = nn.relu(BatchNorm(name=f"bn{i}")(inner, train=False))
        if self.halves:
            inner = _halved(inner)
        inner = Conv(4 * self.width, 1, use_bias=False, name="conv3")(inner)
        inner = BatchNorm(name="bn3")(inner, train=False)
        if self.halves or x.shape[-1] != 4 * self.width:
            x = _halved(x) if self.halves else x
            x = Conv(4 * self.width, 1, use_bias=False, name="downsample.0")(x)
            x = BatchNorm(name="downsample.1")(x, train=False)
        return nn.relu(inner + x)


class AttentionPool(nn.Module):
    """Attention pooling, b h w c -> b embedding: the mean attends to the mean and all pixels (row-major)."""

    heads: int
    embedding: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b k"]:
        b, h, w, c = x.shape
        x = x.reshape(b, h * w, c)
        x = jnp.concatenate([x.mean(1, keepdims=True), x], axis=1)
        x = x + self.param("positional_embedding", nn.initializers.normal(c**-0.5), x.shape[1:])
        queries = nn.Dense(c, name="q_proj")(x[:, 0]).reshape(b, self.heads, -1)
        keys, values = (nn.Dense(c, name=f"{name}_proj")(x).reshape(b, h * w + 1, self.heads, -1) for name in "kv")
        scores = jnp.einsum("bhd,bthd->bht", queries, keys) * (c // self.heads) ** -0.5
        mixed = jnp.einsum("bht,bthd->bhd", nn.softmax(scores), values).reshape(b, c)
        return nn.Dense(self.embedding, name="c_proj")(mixed)


def _halved(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """2x2 average pooling; an odd last row or column is dropped."""
    return nn.avg_pool(x, (2, 2), strides=(2, 2))

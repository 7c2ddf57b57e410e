"""CLIP's two transformers: the image encoder ViT-B/32 and the text encoder, with OpenAI's submodule names.

As in OpenAI's code: pre-norm blocks, LayerNorm eps 1e-5, GELU approximated by x sigmoid(1.702 x); heads of width 64;
the fused projection `in_proj` stacks queries, keys and values, each head by head. (In a state dict its arrays are
named `in_proj_weight` and `in_proj_bias`.)
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from drujax.models.backbones.vit import PatchProjection

HEAD_WIDTH = 64


class VisionTransformer(nn.Module):
    """Images b h w 3 in CLIP's normalisation -> features b embedding, not normalised to unit length.

    Defaults: ViT-B/32. h and w are multiples of `patch`, fixed by the positional embedding (224 for OpenAI's weights).
    The class token comes first, and its output after the last norm is projected.
    """

    patch: int = 32
    width: int = 768
    layers: int = 12
    embedding: int = 512

    @nn.compact
    def __call__(self, images: Float[Array, "b h w 3"]) -> Float[Array, "b k"]:
        normal = nn.initializers.normal(self.width**-0.5)
        x = PatchProjection(self.width, patch=self.patch, use_bias=False, name="conv1")(images)
        token = self.param("class_embedding", normal, (self.width,))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, self.width)), x], axis=1)
        x = x + self.param("positional_embedding", normal, (x.shape[1], self.width))
        x = _norm("ln_pre")(x)
        for i in range(self.layers):
            x = Block(name=f"transformer.resblocks.{i}")(x)
        x = _norm("ln_post")(x[:, 0])
        return x @ self.param("proj", normal, (self.width, self.embedding))


class TextTransformer(nn.Module):
    """Token embeddings b t width -> features b embedding, not normalised to unit length.

    Defaults: ViT-B/32 and RN101. Takes embeddings rather than token ids, so that prompts can be learned. `end` is the
    position of the end token, whose output is projected, in all texts of the batch. Attention is causal, so tokens
    after `end` have no influence and are dropped; their gradient is zero.
    """

    width: int = 512
    layers: int = 12
    embedding: int = 512
    context: int = 77

    @nn.compact
    def __call__(self, words: Float[Array, "b t width"], *, end: int) -> Float[Array, "b k"]:
        positions = self.param("positional_embedding", nn.initializers.normal(0.01), (self.context, self.width))
        x = words[:, : end + 1] + positions[: end + 1]
        for i in range(self.layers):
            x = Block(causal=True, name=f"transformer.resblocks.{i}")(x)
        x = _norm("ln_final")(x[:, end])
        return x @ self.param("text_projection", nn.initializers.normal(self.width**-0.5), (self.width, self.embedding))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); `causal` masks attention to later tokens."""

    causal: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        c = x.shape[-1]
        x = x + Attention(self.causal, name="attn")(_norm("ln_1")(x))
        hidden = nn.Dense(4 * c, name="mlp.c_fc")(_norm("ln_2")(x))
        return x + nn.Dense(c, name="mlp.c_proj")(hidden * nn.sigmoid(1.702 * hidden))


class Attention(nn.Module):
    """Self-attention with heads of width 64."""

    causal: bool

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        b, t, c = x.shape
        fused = nn.Dense(3 * c, name="in_proj")(x)
        queries, keys, values = jnp.moveaxis(fused.reshape(b, t, 3, c // HEAD_WIDTH, HEAD_WIDTH), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) * HEAD_WIDTH**-0.5
        if self.causal:
            scores = jnp.where(np.tri(t, dtype=bool), scores, -jnp.inf)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(scores), values).reshape(b, t, c)
        return nn.Dense(c, name="out_proj")(mixed)


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name=name)

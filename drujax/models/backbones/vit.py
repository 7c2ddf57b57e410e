"""ViT-B/16 (Dosovitskiy et al. 2021) with torchvision's submodule names.

As in torchvision: pre-norm blocks, exact (erf) GELU, LayerNorm eps 1e-6; the class token comes first and its output
after the last norm is classified; the fused projection `in_proj` stacks queries, keys and values, each head by head.
"""

import re
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from drujax.models.backbones.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone, timm_weights

PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 16, 768, 12, 12, 3072
POSITIONS = "encoder.pos_embedding"

xavier = nn.initializers.xavier_uniform()
tiny = nn.initializers.normal(1e-6)
# PyTorch's default for linear layers: uniform within ±1/√inputs.
linear_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class VisionTransformer(nn.Module):
    """`(x, train)` -> logits `b num_classes`, or with `features` the normalised class token `b 768`.

    `x` is `b h w 3` in ImageNet normalisation, h and w multiples of 16. The position embedding fixes the input size,
    see `fit_resolution`. There is no dropout, as in torchvision's default.
    """

    num_classes: int = 1000
    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool, features: bool = False) -> Float[Array, "b k"]:
        del train  # no layer depends on it
        x = PatchProjection(WIDTH, self.dtype, name="conv_proj")(x)
        token = self.param("class_token", nn.initializers.zeros, (1, 1, WIDTH)).astype(x.dtype)
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, WIDTH)), x], axis=1)
        positions = self.param(POSITIONS, nn.initializers.normal(0.02), (1, x.shape[1], WIDTH))
        x = x + positions.astype(x.dtype)
        for i in range(DEPTH):
            x = EncoderLayer(self.dtype, name=f"encoder.layers.encoder_layer_{i}")(x)
        x = _norm("encoder.ln")(x)[:, 0]
        if features:
            return x
        return nn.Dense(self.num_classes, kernel_init=nn.initializers.zeros, name="heads.head")(x)


class PatchProjection(nn.Module):
    """Convolution with stride `patch` as one matrix product: `b h w c` -> `b h/patch*w/patch width`, row by row."""

    width: int
    dtype: jnp.dtype | None = None
    patch: int = PATCH
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b t k"]:
        (b, h, w, c), side = x.shape, self.patch
        kernel_init = nn.initializers.truncated_normal((side * side * c) ** -0.5)
        kernel = self.param("kernel", kernel_init, (side, side, c, self.width))
        bias = self.param("bias", nn.initializers.zeros, (self.width,)) if self.use_bias else None
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        patches = x.reshape(b, h // side, side, w // side, side, c).swapaxes(2, 3)
        tokens = patches.reshape(b, -1, side * side * c) @ kernel.reshape(-1, self.width)
        return tokens if bias is None else tokens + bias


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        x = x + SelfAttention(self.dtype, name="self_attention")(_norm("ln_1")(x))
        hidden = nn.Dense(HIDDEN, dtype=self.dtype, kernel_init=xavier, bias_init=tiny, name="mlp.0")(_norm("ln_2")(x))
        hidden = nn.gelu(hidden, approximate=False)
        return x + nn.Dense(WIDTH, dtype=self.dtype, kernel_init=xavier, bias_init=tiny, name="mlp.3")(hidden)


class SelfAttention(nn.Module):
    """Self-attention with 12 heads of width 64; the softmax is computed in float32 or wider."""

    dtype: jnp.dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b t c"]) -> Float[Array, "b t c"]:
        b, t, c = x.shape
        fused = nn.Dense(3 * c, dtype=self.dtype, kernel_init=xavier, name="in_proj")(x)
        queries, keys, values = jnp.moveaxis(fused.reshape(b, t, 3, HEADS, c // HEADS), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) * (c // HEADS) ** -0.5
        weights = nn.softmax(scores.astype(jnp.promote_types(scores.dtype, jnp.float32))).astype(values.dtype)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, values).reshape(b, t, c)
        return nn.Dense(c, dtype=self.dtype, kernel_init=linear_default, name="out_proj")(mixed)


def _norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=1e-6, use_fast_variance=False, name=name)


def fit_resolution(params: dict[str, Any], resolution: int) -> dict[str, Any]:
    """Resizes the position embeddings (antialiased bicubic) for square images of `resolution` pixels."""
    positions, side = params[POSITIONS], resolution // PATCH
    token, grid = positions[:, :1], positions[:, 1:]
    stored = round(grid.shape[1] ** 0.5)
    if stored == side:
        return params
    grid = jax.image.resize(grid.reshape(1, stored, stored, -1), (1, side, side, grid.shape[-1]), "bicubic")
    return {**params, POSITIONS: jnp.concatenate([token, grid.reshape(1, side * side, -1)], axis=1)}


def from_half_range(variables: dict[str, Any], *, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """Converts the variables of a network for inputs in [-1, 1] to inputs normalised with `mean` and `std`.

    The first layer is linear and unpadded, so it absorbs the change of range 2 (std x + mean) - 1 exactly.
    """
    first = variables["params"]["conv_proj"]
    factor, offset = 2 * jnp.asarray(std), 2 * jnp.asarray(mean) - 1
    adapted = {
        "kernel": first["kernel"] * factor[:, None],
        "bias": first["bias"] + jnp.einsum("hwck,c->k", first["kernel"], offset),
    }
    return {**variables, "params": {**variables["params"], "conv_proj": adapted}}


# Regular expressions from timm's names and those of old torchvision checkpoints to those of the modules above.
RENAMES = [
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", POSITIONS),
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.", ".self_attention.in_proj."),
    (r"\.self_attention\.in_proj_", ".self_attention.in_proj."),
    (r"\.attn\.proj\.", ".self_attention.out_proj."),
    (r"\.mlp\.(?:fc1|linear_1)\.", ".mlp.0."),
    (r"\.mlp\.(?:fc2|linear_2)\.", ".mlp.3."),
    (r"^norm\.", "encoder.ln."),
    (r"^head\.", "heads.head."),
]


def torchvision_names(flat: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Renames the tensors of a checkpoint in timm's layout (`vit_base_patch16_224`) to torchvision's.

    The attention's `in_proj_weight` and `in_proj_bias` become `in_proj.weight` and `in_proj.bias`, like a layer's.
    """
    renamed = {}
    for key, value in flat.items():
        for pattern, name in RENAMES:
            key = re.sub(pattern, name, key)
        renamed[key] = value
    return renamed


BACKBONES = (
    Backbone(
        "vit_b16",
        VisionTransformer,
        WIDTH,
        "heads.head",
        # Torchvision's ViT was trained with ImageNet's mean and deviation, as the other backbones; timm's with 0.5.
        timm_weights(
            "vit_b16",
            "vit_base_patch16_224.augreg_in1k",
            "main",
            licence="Apache-2.0",
            size=346_000_000,
        ),
        torchvision_names=torchvision_names,
        fit_resolution=fit_resolution,
        from_half_range=partial(from_half_range, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        least_resolution=PATCH,
        resolution_step=PATCH,
    ),
)

"""Batch normalisation with PyTorch's semantics and optional ghost batches; instance and layer normalisation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class BatchNorm(nn.Module):
    """Normalises over batch and space; collections `params` (scale, bias) and `batch_stats` (mean, var).

    As in PyTorch: eps 1e-5; the batch is normalised with its biased variance, and the running variance
    (0.9 old + 0.1 new) takes the unbiased one. Statistics are computed in float32 or wider.

    With `ghost_batches` = g > 1, the batch is split into g consecutive chunks of ceil(b / g) (the last may be smaller).
    Each is normalised by its own statistics, and the first updates the running statistics, as PyTorch's DataParallel
    does on g devices. The official EnlightenGAN was trained with g = 3 (chunks of 11, 11, 10).
    """

    ghost_batches: int = 1
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        c = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (c,))
        bias = self.param("bias", nn.initializers.zeros, (c,))
        mean_ = self.variable("batch_stats", "mean", lambda: jnp.zeros((c,)))
        var_ = self.variable("batch_stats", "var", lambda: jnp.ones((c,)))

        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if not train:
            mean, var = mean_.value, var_.value
        else:
            chunk = -(-x.shape[0] // self.ghost_batches)
            moments = [_moments(wide[first : first + chunk]) for first in range(0, x.shape[0], chunk)]
            if not self.is_initializing():
                n = min(chunk, x.shape[0]) * x.shape[1] * x.shape[2]
                mean, var = moments[0]
                mean_.value = 0.9 * mean_.value + 0.1 * mean
                var_.value = 0.9 * var_.value + 0.1 * var * (n / max(n - 1, 1))
            if len(moments) == 1:
                mean, var = moments[0]
            else:
                chunk_of = np.arange(x.shape[0]) // chunk
                mean, var = (jnp.stack(m)[chunk_of][:, None, None] for m in zip(*moments, strict=True))
        return ((wide - mean) * (scale / jnp.sqrt(var + self.epsilon)) + bias).astype(x.dtype)


def _moments(x: Float[Array, "b h w c"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    mean = x.mean((0, 1, 2))
    return mean, jnp.square(x - mean).mean((0, 1, 2))


def instance_norm(x: Float[Array, "*b h w c"], epsilon: float = 1e-5) -> Float[Array, "*b h w c"]:
    """Normalises each channel of each image to mean 0 and (biased) variance 1, in float32 or wider."""
    return _standardised(x, (-3, -2), epsilon)


class LayerNorm(nn.Module):
    """Normalises each image over space and channels; parameters `scale` and `bias` for each channel.

    PyTorch's `GroupNorm(1, c)`: eps 1e-5, biased variance, in float32 or wider.
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return (_standardised(x, (-3, -2, -1), self.epsilon) * scale + bias).astype(x.dtype)


def _standardised(x: Float[Array, "*b h w c"], axes: tuple[int, ...], epsilon: float) -> Float[Array, "*b h w c"]:
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = wide - wide.mean(axes, keepdims=True)
    variance = jnp.square(centred).mean(axes, keepdims=True)
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(x.dtype)

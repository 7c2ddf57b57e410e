"""Recalibrates batch norms that have been folded, so that a network can be trained with batch statistics.

Checkpoints are made smaller by folding the running mean and variance of each batch norm into its scale and bias,
which leaves mean 0 and variance 1. That changes nothing in inference. In training, batch norm divides by the deviation
of the batch, which the scale contains already: every layer's output has the wrong size, and the network has to learn
anew. Recalibration measures mean m and variance v of each batch norm's input on images, and inverts the folding:

    scale' = scale * sqrt((v + eps) / (v0 + eps)),    bias' = bias + scale * (m - m0) / sqrt(v0 + eps)

with the running statistics m, v in place of m0, v0. Outputs in inference stay the same up to rounding, so all layers
are measured in one pass.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from drujax.models.backbones import normalise
from drujax.models.layers.norm import BatchNorm
from drujax.uncertainty.chunks import compiled, evaluate
from drujax.weights.torch_names import Variables, flatten, nest


def has_folded_norms(variables: Variables) -> bool:
    """Whether there are batch norms, and the running statistics of all are those that folding leaves.

    That is also so before any training; trained networks have others.
    """
    statistics = flatten(variables.get("batch_stats", {}))
    expected = {"mean": 0, "var": 1}
    return bool(statistics) and all(
        np.all(np.asarray(value) == expected[path.rpartition("/")[2]]) for path, value in statistics.items()
    )


def recalibrate(module: nn.Module, variables: Variables, images: UInt8[np.ndarray, "n s s 3"]) -> Variables:
    """Returns `variables` with the running statistics of `images`, which give the same outputs in inference.

    Args:
        module: a backbone, see `drujax.models.backbones`.
        variables: its variables.
        images: at least one, in 0..255.
    """
    epsilon: dict[str, float] = {}

    def moments(variables: Variables, batch: Array) -> dict[str, tuple[Array, Array]]:
        """Returns mean and variance of each batch norm's input over each image, by the norm's path."""
        found = {}

        def record(call, args, kwargs, context):
            if isinstance(context.module, BatchNorm) and context.method_name == "__call__":
                path = "/".join(context.module.path)
                x = args[0].astype(jnp.float32)
                epsilon[path] = context.module.epsilon
                found[path] = (x.mean((1, 2)), x.var((1, 2)))
            return call(*args, **kwargs)

        with nn.intercept_methods(record):
            module.apply(variables, normalise(batch), train=False)
        return found

    flat = flatten(variables)
    for path, (means, variances) in evaluate(compiled(moments), variables, images).items():
        mean = means.mean(0, dtype=np.float64)
        var = variances.mean(0, dtype=np.float64) + means.var(0, dtype=np.float64)
        flat |= _refolded(flat, path, mean, var, epsilon[path])
    return nest(flat)


def _refolded(flat: dict[str, Any], path: str, mean: np.ndarray, var: np.ndarray, epsilon: float) -> dict[str, Array]:
    """Returns the four arrays of the batch norm at `path` after changing its running statistics."""
    names = [f"params/{path}/scale", f"params/{path}/bias", f"batch_stats/{path}/mean", f"batch_stats/{path}/var"]
    scale, bias, old_mean, old_var = (np.asarray(flat[name], np.float64) for name in names)
    slope = scale / np.sqrt(old_var + epsilon)
    values = slope * np.sqrt(var + epsilon), bias + slope * (mean - old_mean), mean, var
    return {name: jnp.asarray(value, jnp.float32) for name, value in zip(names, values, strict=True)}

"""The initial weights of the official EnlightenGAN, for all its networks."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key


def official(network: nn.Module, key: Key[Array, ""], *inputs: Array, **options: Any) -> dict[str, Any]:
    """Variables of a network of convolutions and norms, drawn as the official code draws them.

    Convolution weights are N(0, 0.02) and norm scales N(1, 0.02). Convolution biases keep PyTorch's default, uniform
    within +-1 / sqrt(input channels x kernel height x kernel width). Norm biases are 0, running statistics 0 and 1.

    All numbers of a kind come from one draw: a compiled draw for each of a hundred tensors would take XLA 30 seconds.

    Args:
        network: a module whose layers hold `kernel` and `bias`, or `scale` and `bias`.
        key: for this network alone.
        inputs: as its call takes them; only shapes matter.
        options: keyword arguments of its call.
    """
    shapes = jax.eval_shape(lambda: network.init(key, *inputs, **options))
    leaves, tree = jax.tree_util.tree_flatten_with_path(dict(shapes))
    ends = np.cumsum([leaf.size for _, leaf in leaves])
    normal_key, uniform_key = jax.random.split(key)
    normal = 0.02 * jax.random.normal(normal_key, (ends[-1],))
    uniform = jax.random.uniform(uniform_key, (ends[-1],), minval=-1)

    def initial(path, leaf, end):
        layer, name = path[-2].key, path[-1].key
        kernel = shapes["params"][layer].get("kernel")
        if name in ("kernel", "scale"):
            return normal[end - leaf.size : end].reshape(leaf.shape) + (name == "scale")
        if name == "bias" and kernel is not None:
            return uniform[end - leaf.size : end] / np.sqrt(np.prod(kernel.shape[:3]))
        return jnp.full(leaf.shape, float(name == "var"))

    values = [initial(path, leaf, end).astype(leaf.dtype) for (path, leaf), end in zip(leaves, ends, strict=True)]
    return jax.tree.unflatten(tree, values)

"""The initial weights of the official codes."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

# torchvision's initialisation of convolutions (He et al. 2015, mode fan_out).
kaiming_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a code draws its weights. By default as PyTorch does where nothing is said: kernels and biases of
    convolutions uniform within +-1 / sqrt(inputs of an output), norm scales 1.

    Attributes:
        normal: kernels are N(0, 0.02) and norm scales N(1, 0.02) instead.
        zero_biases: biases of convolutions are 0.
    """

    normal: bool = False
    zero_biases: bool = False


ENLIGHTENGAN = Scheme(normal=True)


def official(network: nn.Module, key: Key[Array, ""], *inputs: Array, **options: Any) -> dict[str, Any]:
    """`initial_variables` of the official EnlightenGAN, for all its networks."""
    return initial_variables(network, key, *inputs, scheme=ENLIGHTENGAN, **options)


def initial_variables(
    network: nn.Module, key: Key[Array, ""], *inputs: Array, scheme: Scheme, **options: Any
) -> dict[str, Any]:
    """Variables of a network of convolutions and norms, drawn by `scheme`.

    Norm biases are 0, running statistics 0 and 1, the share of a PReLU 0.25.

    All numbers of a kind come from one draw: a compiled draw for each of a hundred tensors would take XLA 30 seconds.

    Args:
        network: a module whose layers hold `kernel` and `bias`, or `scale` and `bias`, or a PReLU's `weight`.
        key: for this network alone.
        inputs: as its call takes them; only shapes matter.
        scheme: of the code.
        options: keyword arguments of `network.init`.
    """
    shapes = jax.eval_shape(lambda: network.init(key, *inputs, **options))
    leaves, tree = jax.tree_util.tree_flatten_with_path(dict(shapes))
    kernels = {path[:-1]: leaf.shape for path, leaf in leaves if path[-1].key == "kernel"}
    ends = np.cumsum([leaf.size for _, leaf in leaves])
    normal_key, uniform_key = jax.random.split(key)
    normal = 0.02 * jax.random.normal(normal_key, (ends[-1],))
    uniform = jax.random.uniform(uniform_key, (ends[-1],), minval=-1)

    def initial(path, leaf, end):
        name, kernel = path[-1].key, kernels.get(path[:-1])
        drawn = slice(end - leaf.size, end)
        if scheme.normal and name in ("kernel", "scale"):
            return normal[drawn].reshape(leaf.shape) + (name == "scale")
        if kernel is not None and not (name == "bias" and scheme.zero_biases):
            return uniform[drawn].reshape(leaf.shape) / np.sqrt(np.prod(kernel[:3]))
        return jnp.full(leaf.shape, {"scale": 1.0, "var": 1.0, "weight": 0.25}.get(name, 0.0))

    values = [initial(path, leaf, end).astype(leaf.dtype) for (path, leaf), end in zip(leaves, ends, strict=True)]
    return jax.tree.unflatten(tree, values)

"""Initial weights with the distributions of the official code."""

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
    """Initialisation scheme. The default is PyTorch's: convolution kernels and biases uniform within
    ±1 / sqrt(fan in), norm scales 1.

    Attributes:
        normal: kernels are N(0, 0.02) and norm scales N(1, 0.02) instead.
        zero_biases: biases of convolutions are 0.
    """

    normal: bool = False
    zero_biases: bool = False


ENLIGHTENGAN = Scheme(normal=True)


def official(network: nn.Module, key: Key[Array, ""], *inputs: Array, **options: Any) -> dict[str, Any]:
    """Returns `initial_variables` by the official EnlightenGAN's scheme, for any of its networks."""
    return initial_variables(network, key, *inputs, scheme=ENLIGHTENGAN, **options)


def initial_variables(
    network: nn.Module, key: Key[Array, ""], *inputs: Array, scheme: Scheme, **options: Any
) -> dict[str, Any]:
    """Draws the variables of a network of convolutions and norms.

    Norm biases are 0, running means 0, running variances 1, PReLU slopes 0.25. All numbers of a kind come from one
    draw: compiling a draw for each of a hundred tensors would take XLA 30 seconds.

    Args:
        network: a module whose layers hold `kernel` and `bias`, or `scale` and `bias`, or a PReLU's `weight`.
        key: random key, not to be used for another network.
        inputs: arguments of the module's call; only their shapes matter.
        scheme: initialisation scheme.
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

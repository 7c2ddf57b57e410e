"""Networks with random weights."""

import jax
import numpy as np

from drujax.methods.registry import find_network


def random_network(name, options):
    """The network, its module, and random variables with norms of either sign."""
    network = find_network(name)
    module = network.module(options)

    def draw(path, leaf):
        random = np.random.default_rng(len(jax.tree_util.keystr(path)))
        match path[-1].key:
            case "kernel":
                return random.normal(0, 0.8 / np.sqrt(np.prod(leaf.shape[:-1])), leaf.shape).astype(np.float32)
            case "scale":
                return random.normal(0.5, 1, leaf.shape).astype(np.float32)
            case "var" | "weight":
                return random.uniform(0.2, 2, leaf.shape).astype(np.float32)
            case _:
                return random.normal(0, 0.2, leaf.shape).astype(np.float32)

    return network, module, jax.tree_util.tree_map_with_path(draw, network.shapes(module))

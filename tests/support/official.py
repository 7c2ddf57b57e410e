"""Converts official PyTorch states to Flax variables, and makes the seeded networks of the goldens."""

import importlib.util

import jax
import numpy as np


def float64():
    """Context manager in which JAX computes in float64."""
    return jax.enable_x64(True)  # noqa: FBT003 (positional in JAX's own documentation)


def to_variables(state: dict[str, np.ndarray], dtype=np.float32) -> dict:
    """PyTorch's names (`module.` or not) and layouts to `params` and `batch_stats`."""
    names = {"running_mean": ("batch_stats", "mean"), "running_var": ("batch_stats", "var"), "bias": ("params", "bias")}
    variables = {"params": {}, "batch_stats": {}}
    for key, value in state.items():
        layer, leaf = key.removeprefix("module.").rsplit(".", 1)
        if leaf == "weight":
            collection, name = "params", "kernel" if value.ndim == 4 else "scale"
            value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        else:
            collection, name = names[leaf]
        variables[collection].setdefault(layer, {})[name] = np.asarray(value, dtype)
    return variables


def to_name(path) -> str:
    """Converts a leaf's path in `params` to the official name, without `module.`."""
    layer, leaf = (key.key for key in path)
    return f"{layer}.{'bias' if leaf == 'bias' else 'weight'}"


def by_name(params) -> dict[str, np.ndarray]:
    """Parameters, or their gradients, by official name, in PyTorch's layout."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {
        to_name(path): np.asarray(leaf).transpose(3, 2, 0, 1) if leaf.ndim == 4 else np.asarray(leaf)
        for path, leaf in leaves
    }


def nhwc(x: np.ndarray, dtype=np.float32) -> np.ndarray:
    return np.moveaxis(np.asarray(x, dtype), -3, -1)


def seeded_networks(shared) -> dict[str, dict[str, np.ndarray]]:
    """DA_ndf64, DP_ndf64, VGG, DA_ndf16, DP_ndf16, by the recipe stored with the goldens."""
    spec = importlib.util.spec_from_file_location(
        "seeded_weights", shared / "goldens" / "enlightengan" / "seeded_weights.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.all_nets()

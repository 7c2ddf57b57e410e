"""Conversion of PyTorch state dicts to flax variables and back, by name.

drujax's modules have the official names, so a variable's path joined by dots is PyTorch's name except for its last
part, which a table translates. Kernels change their layout (OIHW -> HWIO, out in -> in out). Parts that are not in the
table have the same name and layout on both sides.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.errors import UsageError

Variables = dict[str, Any]  # nested dicts: collection, modules, array name

_TORCH_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_WRAPPERS = ("module.", "_orig_mod.")  # prefixes of DataParallel and torch.compile


def from_torch(state: Mapping[str, np.ndarray], shapes: Mapping[str, Any]) -> Variables:
    """Converts a PyTorch state dict to float32 variables.

    Args:
        state: arrays by PyTorch's names, with or without a wrapper's prefix; `num_batches_tracked` is ignored.
        shapes: the expected variables, nested, with leaves that have a shape (`jax.eval_shape` of `init`).

    Raises:
        UsageError: tensors are missing, unexpected or of the wrong shape; names the first few.
    """
    state = {name: value for name, value in unwrapped(state).items() if not name.endswith("num_batches_tracked")}
    wanted = {torch_name(path): path for path in flatten(shapes)}
    arrays = {
        wanted.get(name, name): swap_kernel_layout(value) if wanted.get(name, "").endswith("/kernel") else value
        for name, value in state.items()
    }
    check(arrays, shapes)
    return nest({path: np.ascontiguousarray(arrays[path], np.float32) for path in flatten(shapes)})


def to_torch(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Converts variables to a state dict with PyTorch's names and layout, the inverse of `from_torch`."""
    state = {}
    for path, value in flatten(variables).items():
        array = np.asarray(value)
        state[torch_name(path)] = (
            np.ascontiguousarray(swap_kernel_layout(array, back=True)) if path.endswith("/kernel") else array
        )
    return state


def torch_name(path: str) -> str:
    """Translates a path to PyTorch's name: `params/features.0/0/kernel` -> `features.0.0.weight`."""
    _, *modules, leaf = path.split("/")
    return ".".join([*modules, _TORCH_LEAVES.get(leaf, leaf)])


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested dictionaries to leaves by path, `params/conv1_1/kernel`."""
    flat = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def nest(flat: Mapping[str, Any]) -> Variables:
    """Nests leaves by path, the inverse of `flatten`."""
    tree: Variables = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree


def check(variables: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """Raises UsageError unless `variables` has exactly the arrays of `shapes`, with these shapes."""
    have, want = flatten(variables), flatten(shapes)
    faults = [
        _some("missing", [path for path in want if path not in have]),
        _some("unexpected", [path for path in have if path not in want]),
        _some(
            "wrong shape of",
            [
                f"{path}: must be {tuple(want[path].shape)}, got {tuple(have[path].shape)}"
                for path in want
                if path in have and tuple(have[path].shape) != tuple(want[path].shape)
            ],
        ),
    ]
    if any(faults):
        raise UsageError(f"does not match the network: {'; '.join(filter(None, faults))}")


def _some(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
    return f"{what} {len(names)} array{'s' * (len(names) > 1)} ({shown})" if names else ""


def unwrapped(state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Removes the name prefixes of DataParallel and torch.compile, repeatedly."""
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def swap_kernel_layout(kernel: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Moves the leading (out, in) axes of a PyTorch kernel to the end as (in, out); `back` inverts this."""
    if kernel.ndim < 2:
        return kernel
    return np.moveaxis(kernel, (-1, -2), (0, 1)) if back else np.moveaxis(kernel, (0, 1), (-1, -2))

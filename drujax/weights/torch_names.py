"""Names and layouts: PyTorch's state dictionaries to flax variables and back.

Modules of drujax carry the official names, so a variable's path, joined by dots, is PyTorch's name up to the last part,
which a table translates; kernels change their layout (OIHW -> HWIO, out in -> in out). What the table does not know is
called and laid out alike.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.errors import UsageError

Variables = dict[str, Any]  # nested: collection, modules, name of the array

_TORCH_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile


def from_torch(state: Mapping[str, np.ndarray], shapes: Mapping[str, Any]) -> Variables:
    """The variables that a PyTorch `state` dictionary holds, in float32.

    Args:
        state: arrays by PyTorch's name, with or without a wrapper's prefix; `num_batches_tracked` is ignored.
        shapes: the variables wanted, nested, with anything that has a shape as leaves (`jax.eval_shape` of `init`).

    Raises:
        UsageError: a tensor is missing, unknown or has another shape; one line names the first few.
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
    """The state dictionary, by PyTorch's names and in its layout, of what `from_torch` or training made."""
    state = {}
    for path, value in flatten(variables).items():
        array = np.asarray(value)
        state[torch_name(path)] = (
            np.ascontiguousarray(swap_kernel_layout(array, back=True)) if path.endswith("/kernel") else array
        )
    return state


def torch_name(path: str) -> str:
    """`params/features.0/0/kernel` -> `features.0.0.weight`."""
    _, *modules, leaf = path.split("/")
    return ".".join([*modules, _TORCH_LEAVES.get(leaf, leaf)])


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested dictionaries by path, `params/conv1_1/kernel`."""
    flat = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def nest(flat: Mapping[str, Any]) -> Variables:
    """The opposite of `flatten`."""
    tree: Variables = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree


def check(variables: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """Raises UsageError in one line unless `variables` has exactly the arrays of `shapes`, in these shapes."""
    have, want = flatten(variables), flatten(shapes)
    faults = [
        _some("lacks", [path for path in want if path not in have]),
        _some("has the unknown", [path for path in have if path not in want]),
        _some(
            "has another shape of",
            [
                f"{path} {tuple(have[path].shape)} instead of {tuple(want[path].shape)}"
                for path in want
                if path in have and tuple(have[path].shape) != tuple(want[path].shape)
            ],
        ),
    ]
    if any(faults):
        raise UsageError(f"it does not fit the network: it {'; it '.join(filter(None, faults))}")


def _some(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
    return f"{what} {len(names)} array{'s' * (len(names) > 1)} ({shown})" if names else ""


def unwrapped(state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def swap_kernel_layout(kernel: np.ndarray, *, back: bool = False) -> np.ndarray:
    """Output and input channels from the front (PyTorch) to the end in the opposite order; `back` undoes it."""
    if kernel.ndim < 2:
        return kernel
    return np.moveaxis(kernel, (-1, -2), (0, 1)) if back else np.moveaxis(kernel, (0, 1), (-1, -2))

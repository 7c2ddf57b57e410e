"""Reads Keras's HDF5 weight files (.h5, .hdf5) into plain arrays, and gives them to flax modules by layer name."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.weights.torch_names import Variables, check, flatten, nest

# Keras's names of arrays, and drujax's.
_LEAVES = {
    **{"kernel": "kernel", "depthwise_kernel": "kernel", "bias": "bias", "gamma": "scale", "beta": "bias"},
    **{"moving_mean": "mean", "moving_variance": "var"},
}


def read_keras(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file of `save_weights` or of a whole saved model, as "layer/array": `conv1/kernel`.

    Needs h5py (`pip install drujax[keras]`). Arrays alone are read, no configuration, and no links out of the file.

    Raises:
        UsageError: h5py is missing; the file is damaged, of another kind, or of Keras 3's other format.
        OSError: it cannot be read.
    """
    with open(path, "rb"):  # its errors name the file
        pass
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise UsageError(f"{path}: reading Keras's files needs h5py: pip install drujax[keras]") from error
    arrays: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or "optimizer_weights" in name:
            return
        if item.external or item.is_virtual:
            raise UsageError(f"{path}: {name} lies in another file")
        layer, _, array = name.rpartition("/")
        arrays[f"{layer.rpartition('/')[2]}/{array.partition(':')[0]}"] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except UsageError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: the file is damaged or no HDF5: {error}") from error
    if not arrays or all(name.startswith("vars/") for name in arrays):
        raise UsageError(
            f"{path}: it holds no weights by layer name, as Keras 2 and model.save_weights of .h5 write them"
        )
    return arrays


def from_keras(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Any], places: Mapping[str, str]) -> Variables:
    """The variables that Keras's `arrays` hold, in float32.

    Args:
        arrays: by "layer/array", see `read_keras`.
        shapes: the variables wanted, nested, with anything that has a shape as leaves.
        places: the path of each Keras layer in the module.

    Raises:
        UsageError: an array is missing, unknown or has another shape; one line names the first few.
    """
    wanted = flatten(shapes)
    with_collection = {path.partition("/")[2]: path for path in wanted}
    found = {}
    for name, value in arrays.items():
        layer, _, array = name.rpartition("/")
        path = f"{places.get(layer, layer)}/{_LEAVES.get(array, array)}"
        path = with_collection.get(path, path)
        # A depthwise kernel is (rows, columns, channels, 1) in Keras, (rows, columns, 1, channels) here.
        if path in wanted and value.ndim == 4 and value.shape != wanted[path].shape:
            value = value.swapaxes(2, 3)
        found[path] = np.ascontiguousarray(value, np.float32)
    check(found, shapes)
    return nest(found)

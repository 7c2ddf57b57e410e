"""Reads Keras's HDF5 weight files (.h5, .hdf5), and converts them to flax variables by layer name."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.weights.torch_names import Variables, check, flatten, nest

# From Keras's array names to drujax's.
_LEAVES = {
    **{"kernel": "kernel", "depthwise_kernel": "kernel", "bias": "bias", "gamma": "scale", "beta": "bias"},
    **{"moving_mean": "mean", "moving_variance": "var"},
}


def read_keras(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a `save_weights` file or of a saved model, by "layer/array", e.g. `conv1/kernel`.

    Needs h5py (`pip install drujax[keras]`). Reads arrays only: no configuration, and no external links.

    Raises:
        UsageError: h5py is missing; the file is damaged, not HDF5, or in Keras 3's other format.
        OSError: the file cannot be read.
    """
    with open(path, "rb"):  # an OSError from `open` names the file
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
            raise UsageError(f"{path}: {name} is stored in another file, which is not read")
        layer, _, array = name.rpartition("/")
        arrays[f"{layer.rpartition('/')[2]}/{array.partition(':')[0]}"] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except UsageError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: the file is damaged or not HDF5: {error}") from error
    if not arrays or all(name.startswith("vars/") for name in arrays):
        raise UsageError(f"{path}: no weights by layer name found, as Keras 2 and model.save_weights write them to .h5")
    return arrays


def from_keras(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Any], places: Mapping[str, str]) -> Variables:
    """Converts Keras's arrays to float32 variables.

    Args:
        arrays: arrays by "layer/array", see `read_keras`.
        shapes: the expected variables, nested, with leaves that have a shape.
        places: the path of each Keras layer in the module.

    Raises:
        UsageError: arrays are missing, unexpected or of the wrong shape; names the first few.
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

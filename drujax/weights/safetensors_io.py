"""drujax's own weight files: safetensors with a description of the weights in the header.

Arrays are named by their path (`params/conv1_1/kernel`). The header's metadata map keys to JSON texts:

* `network`: name of the method whose network it is (`drujax.methods.registry`); required.
* `options`: constructor arguments of the network, e.g. `{"align_corners": false}`.
* `licence`: of the weights, an SPDX identifier or a description.
* `training_data`: description of the training data.
* `source`: for converted weights, name and sha256 of the checkpoint.
* `drujax_version`, `git_commit`: of the code that wrote the file.
* `scores`: metric values by name, on held-out images.
* any other JSON value (recipe, steps, ...).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically
from drujax.runtime.version import __version__
from drujax.weights.torch_names import Variables, flatten, nest

FLOAT16_MAX = float(np.finfo(np.float16).max)


def save_weights(
    path: str | Path, variables: Mapping[str, Any], metadata: Mapping[str, Any], dtype: str | None = None
) -> None:
    """Writes `variables` to `path` atomically.

    Args:
        path: file to write; an existing one is replaced.
        variables: nested dictionaries of arrays (`params`, `batch_stats`, ...).
        metadata: see the module docstring; `network` is required, `drujax_version` is added.
        dtype: "float16" halves the file size: arrays of two or more dimensions are rounded to float16, while vectors
            (biases, norm scales and statistics: 0.1 % of the bytes) keep their dtype. None keeps all dtypes.

    Raises:
        UsageError: a value exceeds the range of float16.
        OSError: the file cannot be written.
    """
    assert "network" in metadata
    assert dtype in (None, "float16")
    arrays = {name: np.asarray(value, order="C") for name, value in flatten(variables).items()}
    if dtype == "float16":
        arrays = {name: _half(name, value) for name, value in arrays.items()}
    header = {**metadata, "drujax_version": metadata.get("drujax_version", __version__)}
    texts = {key: json.dumps(value) for key, value in header.items()}
    write_atomically(path, _in_order(safetensors.numpy.save(arrays, texts)))


def load_weights(path: str | Path) -> tuple[Variables, dict[str, Any]]:
    """Reads a file written by `save_weights`.

    Returns:
        The variables, floating ones as float32, and the metadata.

    Raises:
        UsageError: the file is not safetensors, damaged, or not written by drujax.
        OSError: the file cannot be read.
    """
    metadata = read_metadata(path)
    arrays = safetensors.numpy.load_file(path)
    return nest({name: _single(value) for name, value in arrays.items()}), metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Reads the metadata without the arrays. Raises as `load_weights` does."""
    with open(path, "rb"):  # an OSError from `open` names the file
        try:
            with safetensors.safe_open(path, framework="np") as file:
                texts = file.metadata() or {}
        except safetensors.SafetensorError as error:
            raise UsageError(f"{path}: not a valid safetensors file: {error}") from error
    try:
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except json.JSONDecodeError:
        metadata = {}
    if not isinstance(metadata.get("network"), str) or not isinstance(metadata.get("options", {}), dict):
        raise UsageError(
            f"{path}: the header has no drujax network name. "
            f"Convert weights of other programs first: drujax convert {path} --model NETWORK"
        )
    return metadata


def _in_order(content: bytes) -> bytes:
    """Sorts the metadata of a file (safetensors shuffles them), so that equal weights give equal files."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def _half(name: str, value: np.ndarray) -> np.ndarray:
    if value.ndim < 2 or not np.issubdtype(value.dtype, np.floating):
        return value
    if value.size and np.abs(value).max() > FLOAT16_MAX:
        raise UsageError(f"dtype: values of {name} exceed float16 ({FLOAT16_MAX:g})")
    return value.astype(np.float16)


def _single(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32, copy=False) if np.issubdtype(value.dtype, np.floating) else value

"""Decodes quantised checkpoints, whose kernels are stored as codes, into plain arrays.

Two forms, told apart by their names:

* Codebooks of blocks, as permute-quantize-finetune writes them (Martinez et al., "Permute, Quantize, and Fine-tune",
  CVPR 2021): `NAME.codebook` (n, block), float16, and `NAME.codes_matrix` (out, rows). The blocks of a row, one after
  the other, are the flattened kernel of an output. The statistics of batch norms are folded into their weight and
  bias, and are not stored: mean 0, variance 1.
* Palettes of values: `NAME.palette` (n,) and `NAME.codes`, in the shape of the kernel (out, in, rows, columns).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.weights.torch_names import flatten, torch_name

# Form -> suffixes of the values and of their codes.
_FORMS = {"codebook": (".codebook", ".codes_matrix"), "palette": (".palette", ".codes")}
_LONGEST_BLOCK = 128  # bounds the size of what a file decodes to; published ones have 4 to 18 values


def has_codebooks(state: Mapping[str, np.ndarray]) -> bool:
    """Whether a checkpoint is in the form of permute-quantize-finetune."""
    return any(name.endswith(_FORMS["codebook"][0]) for name in state)


def decode(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of a checkpoint with `NAME.weight`, float32, in place of values and codes.

    Weights from codebooks are (out, in * rows * columns), see `complete`. Arrays of other names are returned as they
    are.

    Raises:
        UsageError: codes without values or the reverse; a code that its values do not have.
    """
    plain = dict(state)
    for values_suffix, codes_suffix in _FORMS.values():
        for name in [name for name in state if name.endswith((values_suffix, codes_suffix))]:
            layer = name.removesuffix(values_suffix).removesuffix(codes_suffix)
            values, codes = state.get(layer + values_suffix), state.get(layer + codes_suffix)
            if values is None or codes is None:
                missing = values_suffix if values is None else codes_suffix
                raise UsageError(f"{layer} is quantised, but has no {layer}{missing}")
            plain.pop(name)
            if name.endswith(values_suffix):
                plain[f"{layer}.weight"] = _decoded(layer, values, codes)
    return plain


def complete(state: Mapping[str, np.ndarray], shapes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Completes a decoded checkpoint of permute-quantize-finetune, by the names and layout of PyTorch.

    Gives kernels their rows and columns, and batch norms the statistics that the folding left: mean 0, variance 1.

    Args:
        state: from `decode`.
        shapes: variables of the network, nested, with leaves that have a shape.
    """
    completed = dict(state)
    for path, leaf in flatten(shapes).items():
        name, kind = torch_name(path), path.rpartition("/")[2]
        if kind in ("mean", "var"):
            completed.setdefault(name, np.full(leaf.shape, kind == "var", np.float32))
        elif kind == "kernel" and len(leaf.shape) == 4 and name in state:
            rows, columns, inputs, outputs = leaf.shape
            if state[name].shape == (outputs, inputs * rows * columns):
                completed[name] = state[name].reshape(outputs, inputs, rows, columns)
    return completed


def _decoded(layer: str, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    if codes.dtype.kind == "i":  # PyTorch had no unsigned integers of 16 bits
        codes = codes.view(codes.dtype.str.replace("i", "u"))
    if codes.dtype.kind != "u" or codes.size == 0 or codes.max() >= len(values) or values[0].size > _LONGEST_BLOCK:
        raise UsageError(f"the codes of {layer} do not fit its values: {codes.dtype} into {values.shape}")
    decoded = values.astype(np.float32)[codes]
    return decoded if values.ndim == 1 else decoded.reshape(len(codes), -1)

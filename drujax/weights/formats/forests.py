"""Ma's three regression forests: read from the authors' model.mat, and kept in a quarter of its memory.

model.mat (chaoma99/sr-metric; the same model is IQA-PyTorch's NRQM_model.mat) holds a structure `model` of `rf`, three
forests as the R package randomForest's port to MATLAB leaves them, and `linear`, the weights of their results. A forest
is a structure of arrays (nodes, trees), padded to one length: children `lDau` and `rDau` counted from 1, 0 at a leaf;
`mbest`, the feature, from 1; `upper`, the threshold; `avnode`, the value.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from jaxtyping import Array, Float, Int, Shaped, UInt8

from drujax.errors import UsageError
from drujax.weights import safetensors_io
from drujax.weights.torch_names import nest

NETWORK = "ma-forests"  # in the metadata of what is kept
DIMENSIONS = (18, 45, 75)

# b0 + b1 s1 + b2 s2 + b3 s3 of the official model, recovered by least squares from the scores and the forests'
# predictions that its code gives for seven pictures; the residual is 1e-14.
LINEAR = (-0.3087780597718527, 0.16557237335858663, 0.37656372476093397, 0.5236870895529349)
LINEAR_TOLERANCE = 1e-9


class Forest(NamedTuple):
    """All nodes of all trees in a row, roots first in their trees.

    From a node the way goes to `left` where the feature is at most the threshold, else to `right`; a leaf leads to
    itself. Children stand behind their parents.
    """

    roots: Int[Array | np.ndarray, " t"]
    feature: UInt8[Array | np.ndarray, " n"]
    threshold: Float[Array | np.ndarray, " n"]
    left: Int[Array | np.ndarray, " n"]
    right: Int[Array | np.ndarray, " n"]
    value: Float[Array | np.ndarray, " n"]


def load_forests(path: str | Path) -> tuple[Forest, Forest, Forest]:
    """The forests in model.mat, or in what `keep_forests` made of it.

    Raises:
        UsageError: the file is damaged or of something else.
        OSError: it cannot be read.
    """
    path = Path(path)
    forests = _load_kept(path) if path.suffix == ".safetensors" else _read_mat(path)
    for forest, dimension in zip(forests, DIMENSIONS, strict=True):
        _check(forest, dimension, path)
    return forests


def keep_forests(path: Path) -> tuple[Forest, Forest, Forest]:
    """The forests of model.mat at `path`; kept beside it, where the folder can be written, for the next time."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept = path.with_name(f"{path.stem}-{digest[:16]}.safetensors")
    if kept.exists():
        return load_forests(kept)
    forests = load_forests(path)
    if os.access(path.parent, os.W_OK):
        arrays = {f"forest{i}": forest._asdict() for i, forest in enumerate(forests, start=1)}
        safetensors_io.save_weights(kept, arrays, {"network": NETWORK, "source": {"file": path.name, "sha256": digest}})
    return forests


def _load_kept(path: Path) -> tuple[Forest, Forest, Forest]:
    metadata = safetensors_io.read_metadata(path)
    arrays = safetensors.numpy.load_file(path)  # `load_weights` would round the thresholds to float32
    wanted = {f"forest{i}/{field}" for i in (1, 2, 3) for field in Forest._fields}
    if metadata["network"] != NETWORK or set(arrays) != wanted:
        raise UsageError(f"{path}: it does not hold Ma's forests")
    variables = nest(arrays)
    first, second, third = (Forest(**variables[f"forest{i}"]) for i in (1, 2, 3))
    return first, second, third


def _read_mat(path: Path) -> tuple[Forest, Forest, Forest]:
    import scipy.io  # slow to import
    from scipy.io.matlab import MatReadError

    with open(path, "rb"):  # its errors name the file
        pass
    try:
        # It builds arrays, numbers and texts, and runs nothing.
        model = scipy.io.loadmat(path, variable_names=["model"])["model"]
        linear, structures = np.ravel(model["linear"][0, 0]), np.ravel(model["rf"][0, 0])
        first, second, third = (_pack(np.ravel(structure)[0]) for structure in structures)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (MatReadError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, EOFError, OSError) as error:
        raise UsageError(f"{path}: it is no model.mat of Ma et al., or damaged: {error}") from error
    if linear.shape != (4,) or np.abs(linear - LINEAR).max() > LINEAR_TOLERANCE:
        raise UsageError(f"{path}: its linear weights are {linear} instead of {LINEAR}: it is another model")
    return first, second, third


def _pack(structure: Any) -> Forest:
    left, right, feature = (np.asarray(structure[name], np.int64) for name in ("lDau", "rDau", "mbest"))
    threshold, value = (np.asarray(structure[name], np.float64) for name in ("upper", "avnode"))
    if left.ndim != 2 or len({array.shape for array in (left, right, feature, threshold, value)}) != 1:
        raise UsageError("the arrays of a forest differ in size")
    used = np.maximum(np.maximum(left, right).max(0), 1)  # of each tree: nodes are numbered without gaps
    if used.max() > len(left) or min(left.min(), right.min()) < 0 or feature.max() > 256:
        raise UsageError("a forest has children or features out of range")
    inside = (np.arange(len(left))[:, None] < used).T
    roots = np.concatenate([[0], np.cumsum(used)[:-1]])
    own, root = np.arange(used.sum()), np.repeat(roots, used)

    def packed(array: Shaped[np.ndarray, "n t"]) -> Shaped[np.ndarray, " k"]:
        return array.T[inside]

    leaf = (packed(left) == 0) & (packed(right) == 0)
    left, right = (np.where(leaf, own, root + packed(side) - 1).astype(np.int32) for side in (left, right))
    chosen = np.where(leaf, 0, packed(feature) - 1).astype(np.uint8)
    return Forest(roots.astype(np.int32), chosen, np.where(leaf, 0, packed(threshold)), left, right, packed(value))


def _check(forest: Forest, dimension: int, path: Path) -> None:
    """Raises UsageError unless every way ends at a leaf, features exist and values are numbers."""
    n = len(forest.value)
    own = np.arange(n)
    leaf = (forest.left == own) & (forest.right == own)
    sound = (
        all(len(array) == n for array in forest[1:])
        and 0 < len(forest.roots) <= n
        and bool(((forest.roots >= 0) & (forest.roots < n)).all())
        and all(bool((leaf | ((side > own) & (side < n))).all()) for side in (forest.left, forest.right))
        and bool((forest.feature < dimension).all())
        and bool(np.isfinite(forest.threshold).all() and np.isfinite(forest.value).all())
    )
    if not sound:
        raise UsageError(f"{path}: it is damaged: a forest of {dimension} features does not hang together")

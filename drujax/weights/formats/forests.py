"""Ma's three regression forests: read from the authors' model.mat, and cached in a quarter of its memory.

model.mat (chaoma99/sr-metric; IQA-PyTorch's NRQM_model.mat is the same model) holds a structure `model` with `rf`,
three forests in the format of the MATLAB port of R's randomForest, and `linear`, the weights of their predictions. A
forest is a structure of arrays (nodes, trees), padded to equal length: children `lDau` and `rDau`, 1-based, 0 at a
leaf; `mbest`, the feature, 1-based; `upper`, the threshold; `avnode`, the value.
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

NETWORK = "ma-forests"  # in the metadata of the cached file
DIMENSIONS = (18, 45, 75)

# Coefficients of the official model, b0 + b1 s1 + b2 s2 + b3 s3, recovered by least squares from its code's scores and
# forest predictions for seven images; the residual is 1e-14.
LINEAR = (-0.3087780597718527, 0.16557237335858663, 0.37656372476093397, 0.5236870895529349)
LINEAR_TOLERANCE = 1e-9


class Forest(NamedTuple):
    """All nodes of all trees in one array each; the root is the first node of its tree.

    The child of a node is `left` if the feature is at most the threshold, otherwise `right`; a leaf is its own child.
    Children come after their parents.
    """

    roots: Int[Array | np.ndarray, " t"]
    feature: UInt8[Array | np.ndarray, " n"]
    threshold: Float[Array | np.ndarray, " n"]
    left: Int[Array | np.ndarray, " n"]
    right: Int[Array | np.ndarray, " n"]
    value: Float[Array | np.ndarray, " n"]


def load_forests(path: str | Path) -> tuple[Forest, Forest, Forest]:
    """Loads the forests from model.mat, or from the cached file of `keep_forests`.

    Raises:
        UsageError: the file is damaged, or of another kind.
        OSError: the file cannot be read.
    """
    path = Path(path)
    forests = _load_kept(path) if path.suffix == ".safetensors" else _read_mat(path)
    for forest, dimension in zip(forests, DIMENSIONS, strict=True):
        _check(forest, dimension, path)
    return forests


def keep_forests(path: Path) -> tuple[Forest, Forest, Forest]:
    """Loads the forests of model.mat at `path`, and caches them next to it if the folder is writable."""
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
        raise UsageError(f"{path}: does not contain Ma's forests")
    variables = nest(arrays)
    first, second, third = (Forest(**variables[f"forest{i}"]) for i in (1, 2, 3))
    return first, second, third


def _read_mat(path: Path) -> tuple[Forest, Forest, Forest]:
    import scipy.io  # slow to import
    from scipy.io.matlab import MatReadError

    with open(path, "rb"):  # an OSError from `open` names the file
        pass
    try:
        # loadmat builds arrays, numbers and texts only; it runs no code.
        model = scipy.io.loadmat(path, variable_names=["model"])["model"]
        linear, structures = np.ravel(model["linear"][0, 0]), np.ravel(model["rf"][0, 0])
        first, second, third = (_pack(np.ravel(structure)[0]) for structure in structures)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (MatReadError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, EOFError, OSError) as error:
        raise UsageError(f"{path}: the file is damaged, or not the model.mat of Ma et al.: {error}") from error
    if linear.shape != (4,) or np.abs(linear - LINEAR).max() > LINEAR_TOLERANCE:
        raise UsageError(f"{path}: linear weights must be {LINEAR}, got {linear}: the file holds another model")
    return first, second, third


def _pack(structure: Any) -> Forest:
    left, right, feature = (np.asarray(structure[name], np.int64) for name in ("lDau", "rDau", "mbest"))
    threshold, value = (np.asarray(structure[name], np.float64) for name in ("upper", "avnode"))
    if left.ndim != 2 or len({array.shape for array in (left, right, feature, threshold, value)}) != 1:
        raise UsageError("arrays of a forest must have equal shapes")
    used = np.maximum(np.maximum(left, right).max(0), 1)  # nodes per tree: they are numbered without gaps
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
    """Raises UsageError unless every path ends at a leaf, features exist and values are finite."""
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
        raise UsageError(f"{path}: the file is damaged: the forest of {dimension} features is inconsistent")

"""Small forests trained by scikit-learn instead of Ma's, and model.mat files of them as MATLAB writes them."""

from typing import NamedTuple

import numpy as np
import scipy.io

from drujax.weights.formats.forests import DIMENSIONS, LINEAR


class StandIns(NamedTuple):
    """Three trained forests, and held-out rows of features."""

    forests: list
    rows: list[np.ndarray]


def stand_ins() -> StandIns:
    """Forests of 20 trees, with as many features as Ma's."""
    from sklearn.ensemble import RandomForestRegressor

    random = np.random.default_rng(0)
    forests, rows = [], []
    for dimension in DIMENSIONS:
        # Features of random pictures lie within this range; float32, as scikit-learn uses.
        features = random.uniform(0, 3, (300, dimension)).astype(np.float32)
        target = 5 + features[:, :5] @ [1, -1, 0.5, 0.2, -0.3]
        forest = RandomForestRegressor(20, min_samples_leaf=3, max_features=dimension // 3, random_state=dimension)
        forests.append(forest.fit(features[:200], target[:200]))
        rows.append(features[200:])
    return StandIns(forests, rows)


def write_mat(path, trained, *, linear=LINEAR, drop=None, child=None, feature=None, value=None, forests=3):
    """Writes model.mat; the keyword arguments corrupt it, the last ones at the first tree's root."""
    structures = np.empty((forests, 1), object)
    for i in range(forests):
        structures[i, 0] = _structure(trained[i])
    first = structures[0, 0]
    if child is not None:
        first["lDau"][0, 0] = child
    if feature is not None:
        first["mbest"][0, 0] = feature
    if value is not None:
        first["avnode"][0, 0] = value
    if drop is not None:
        del first[drop]
    model = {"rf": structures, "linear": np.reshape(linear, (4, 1))}
    scipy.io.savemat(path, {"model": model}, do_compression=True)


def _structure(forest):
    """The arrays of nodes x trees that the MATLAB port of randomForest keeps, padded with zeros."""
    trees = [tree.tree_ for tree in forest.estimators_]
    shape = (max(tree.node_count for tree in trees) + 5, len(trees))
    arrays = {name: np.zeros(shape, np.int32) for name in ("lDau", "rDau", "nodestatus", "mbest")}
    arrays |= {name: np.zeros(shape) for name in ("upper", "avnode")}
    for t, tree in enumerate(trees):
        inner = tree.children_left >= 0
        n = tree.node_count
        arrays["lDau"][:n, t] = np.where(inner, tree.children_left + 1, 0)
        arrays["rDau"][:n, t] = np.where(inner, tree.children_right + 1, 0)
        arrays["nodestatus"][:n, t] = np.where(inner, -3, -1)
        arrays["mbest"][:n, t] = np.where(inner, tree.feature + 1, 0)
        arrays["upper"][:n, t] = np.where(inner, tree.threshold, 0)
        arrays["avnode"][:n, t] = tree.value[:, 0, 0]
    return arrays

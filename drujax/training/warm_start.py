"""Warm start: initialises a run from existing weights."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from drujax.errors import UsageError
from drujax.runtime import mesh as meshes
from drujax.weights.safetensors_io import load_weights


def warm_start(state: Any, path: Path, mesh: Mesh) -> Any:
    """Returns `state` with the enhancement network (and its moving average, if any) from the weights file `path`.

    Parameters that only training uses (e.g. SCI's calibration) are not in weight files and keep their values.

    Raises:
        UsageError: the file is not a drujax weight file, or its network differs.
    """
    try:
        variables, _ = load_weights(path)
    except UsageError as error:
        raise UsageError(f"init: {error} (drujax convert imports checkpoints of other programs)") from error
    ours, tree = jax.tree_util.tree_flatten_with_path(state.model.variables)
    theirs = dict(jax.tree_util.tree_flatten_with_path(variables)[0])
    shapes = {name: array.shape for name, array in ours}
    for name, array in theirs.items():
        if shapes.get(name) != array.shape:
            raise UsageError(f"init: {path} holds another network: {jax.tree_util.keystr(name)} differs")
    started = [np.asarray(theirs.get(name, array), array.dtype) for name, array in ours]
    variables = jax.tree.unflatten(tree, started)
    whole = meshes.replicated(mesh)
    started = meshes.put(variables, whole)
    model = state.model.replace(params=started["params"], batch_stats=started["batch_stats"])
    # The state is donated, so the average needs its own copy of the arrays.
    ema = None if state.ema is None else meshes.put(variables, whole)
    return state.replace(model=model, ema=ema)

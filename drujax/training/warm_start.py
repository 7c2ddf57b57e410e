"""Starts a run from the weights of another."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from drujax.errors import UsageError
from drujax.runtime import mesh as meshes
from drujax.weights.safetensors_io import load_weights


def warm_start(state: Any, path: Path, mesh: Mesh) -> Any:
    """`state` with the network that enhances (and its moving average, where it has one) of the weights file `path`.

    What only training uses (as what calibrates SCI's stages) is in no such file, and stays as it is.

    Raises:
        UsageError: the file is none of drujax, or its network differs.
    """
    try:
        variables, _ = load_weights(path)
    except UsageError as error:
        raise UsageError(f"--init: {error} (drujax convert makes one of another program's checkpoint)") from error
    ours, tree = jax.tree_util.tree_flatten_with_path(state.model.variables)
    theirs = dict(jax.tree_util.tree_flatten_with_path(variables)[0])
    shapes = {name: array.shape for name, array in ours}
    for name, array in theirs.items():
        if shapes.get(name) != array.shape:
            raise UsageError(f"--init: {path} holds another network: {jax.tree_util.keystr(name)} differs.")
    started = [np.asarray(theirs.get(name, array), array.dtype) for name, array in ours]
    variables = jax.tree.unflatten(tree, started)
    whole = meshes.replicated(mesh)
    started = meshes.put(variables, whole)
    model = state.model.replace(params=started["params"], batch_stats=started["batch_stats"])
    # The step is donated, so the average needs arrays of its own.
    ema = None if state.ema is None else meshes.put(variables, whole)
    return state.replace(model=model, ema=ema)

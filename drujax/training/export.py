"""Export of a run's final weights."""

from pathlib import Path
from typing import Any

from drujax.runtime.version import __version__
from drujax.training.method import Method
from drujax.training.workdir import git_commit
from drujax.weights.safetensors_io import save_weights


def export_weights(method: Method, state: Any, workdir: Path, *, about: dict[str, Any]) -> Path:
    """Writes the enhancement network and its metadata to `workdir/weights.safetensors`; returns the path.

    Args:
        method: the trained method.
        state: its final state.
        workdir: folder of the run.
        about: further metadata (training data, recipe, seed; the licence, if the run started from third-party weights).
    """
    import jax

    variables, network = method.export(state)
    path = workdir / "weights.safetensors"
    metadata = {
        "licence": "Apache-2.0",
        **network,
        **about,
        "steps": int(state.step),
        "drujax_version": __version__,
        "git_commit": git_commit(),
    }
    save_weights(path, jax.device_get(variables), metadata)
    return path

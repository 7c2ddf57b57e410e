"""The weights that a run ends with."""

from pathlib import Path
from typing import Any

from drujax.runtime.version import __version__
from drujax.training.method import Method
from drujax.training.workdir import git_commit
from drujax.weights.safetensors_io import save_weights


def export_weights(method: Method, state: Any, workdir: Path, *, about: dict[str, Any]) -> Path:
    """Writes `workdir/weights.safetensors`: the network that enhances, with what is to be known of it.

    Args:
        about: entries of the metadata that the run knows (training data, recipe, seed; the licence, where it started
            from weights of others).
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

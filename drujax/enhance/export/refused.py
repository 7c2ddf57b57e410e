"""The models that are not exported, because they have no weights; imports neither JAX nor onnx."""

from drujax.errors import UsageError

REASONS = {
    "curve": "its curve is solved for each picture",
    "colie": "its network is fitted to each picture",
}


def check_exportable(model: str) -> None:
    """Raises UsageError for a model, or its network, that is not exported."""
    if model in REASONS:
        raise UsageError(f"model: {model} is not exported: {REASONS[model]}; drujax enhance runs it with --runtime=jax")

"""drujax's side of `experiments.benchmark metrics`: a metric, or the part of it that needs no trained weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drujax.errors import UsageError
from drujax.metrics.registry import find


def scorer(metric: str, images: np.ndarray, folder: Path) -> Callable[[], np.ndarray]:
    """Returns a function that scores `images` (b, h, w, 3), uint8.

    For "ma" it computes the 138 features, nearly all of the metric's work. "nima" uses generated weights, written to
    `folder`, because its speed does not depend on their values.
    """
    function = find(metric).function
    if metric == "pi":
        raise UsageError("--metric=pi: not supported; measure its parts, --metric=ma and --metric=niqe")
    if metric == "ma":
        from drujax.metrics.ma import features

        return lambda: np.concatenate(features(images), axis=-1)
    if metric == "nima":
        weights = folder / "nima.npz"
        np.savez(weights, **generated_nima())
        return lambda: function(images, weights=weights)
    return lambda: function(images)


def generated_nima() -> dict[str, Any]:
    """Returns a state dict of IQA-PyTorch's `nima` with random kernels and identity normalisation."""
    import jax

    from drujax.models.quality.nima import InceptionNIMA
    from drujax.weights.torch_names import flatten, nest, to_torch

    picture = jax.ShapeDtypeStruct((1, 299, 299, 3), np.float32)
    random = np.random.default_rng(0)

    def drawn(path: str, shape: tuple[int, ...]) -> np.ndarray:
        name = path.rpartition("/")[2]
        if name == "kernel":
            return random.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[:-1])))
        return np.full(shape, name in ("scale", "var"), np.float32)

    shapes = jax.eval_shape(InceptionNIMA().init, jax.random.key(0), picture)
    variables = {name: shapes[name] for name in ("params", "batch_stats")}
    return to_torch(nest({path: drawn(path, leaf.shape) for path, leaf in flatten(variables).items()}))

"""The peer of `experiments.benchmark metrics --peer=pyiqa`: IQA-PyTorch's metrics on the same images.

Imported on request only; IQA-PyTorch is not a dependency of drujax. It downloads its own parameter files, except for Ma
and NIMA, for which the substitutes of experiments._benchmark.metric_scorers are used.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyiqa  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]

VERSION = pyiqa.__version__
MA_FEATURES = 138


def scorer(metric: str, images: np.ndarray, folder: Path) -> Callable[[], np.ndarray]:
    """Returns a function that scores `images` (b, h, w, 3), uint8, on the first GPU if any; `folder` as in drujax's."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = _network(metric, folder, device)
    pictures = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255

    def run() -> np.ndarray:
        with torch.no_grad():
            scores = network(pictures).cpu().numpy()
        return scores.reshape(len(images), -1) if metric == "ma" else scores.reshape(-1)

    return run


def _network(metric: str, folder: Path, device: str) -> Callable[[Any], Any]:
    if metric == "ma":
        return _ma_features
    if metric == "nima":
        return _generated_nima(folder).to(device).eval()
    return pyiqa.create_metric(metric, device=device)


def _ma_features(pictures: Any) -> Any:
    """IQA-PyTorch's `nrqm` as used in its `pi`, with the forests replaced by the identity."""
    from pyiqa.archs import nrqm_arch  # pyright: ignore[reportMissingImports]

    kept = np.eye(1 + MA_FEATURES)[:, 1:]  # the first column is the constant's
    with mock.patch.object(nrqm_arch, "random_forest_regression", lambda features: features):
        return nrqm_arch.calculate_nrqm(
            pictures, crop_border=4, color_space="ycbcr", linear_param=kept, rf_params_list=[()] * 3
        )


def _generated_nima(folder: Path) -> Any:
    from pyiqa.archs import nima_arch  # pyright: ignore[reportMissingImports]

    # Otherwise it would download the backbone's weights, only to overwrite them.
    without_weights = functools.partial(nima_arch.timm.create_model, pretrained=False)
    with mock.patch.object(
        nima_arch.timm, "create_model", lambda name, pretrained, **options: without_weights(name, **options)
    ):
        network = nima_arch.NIMA("inception_resnet_v2", pretrained=False)
    with np.load(folder / "nima.npz") as state:
        result = network.load_state_dict({name: torch.from_numpy(state[name]) for name in state}, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in result.missing_keys), result.missing_keys
    return network

"""Ma: no-reference metric learned from human ratings of super-resolved images; one half of the perceptual index (`pi`).

Ma, Yang, Yang and Yang, "Learning a No-Reference Quality Metric for Single-Image Super-Resolution", CVIU 158, 2017.
Its regression forests do not ship with drujax; they are downloaded on first use.
"""

import functools
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.errors import unknown
from drujax.metrics.kernels.forests import predict
from drujax.metrics.kernels.grayscale import Luma, levels
from drujax.metrics.kernels.ma_features import LEAST_SIDE, Features, Reference, ma_features
from drujax.metrics.kernels.validation import validated_images
from drujax.metrics.niqe import PI_CROP, PI_LUMA
from drujax.metrics.registry import Metric
from drujax.runtime.remote_file import github_file
from drujax.weights.download import fetch
from drujax.weights.formats.forests import LINEAR, Forest, keep_forests, load_forests

Protocol = Literal["pi", "plain"]
GREY: dict[Reference, Luma] = {"pyiqa": "yiq", "matlab": "matlab"}

FORESTS = github_file(
    "ma-forests",
    "Ma's regression forests, for the metrics ma and pi",
    "chaoma99/sr-metric",
    "51218dbd5a1a5827cec9259b2fe0024b0b8702d4",
    "model.mat",
    "ma-model.mat",
    licence="MIT",
)
METRIC = Metric(
    "ma",
    lower_is_better=False,
    smallest=53,
    range="about 1..9.5",
    references={"pyiqa": (FORESTS,), "matlab": (FORESTS,)},
)


def ma(
    images: Shaped[Array | np.ndarray, "..."],
    *,
    reference: Reference = "pyiqa",
    protocol: Protocol = "pi",
    weights: str | Path | None = None,
) -> Float[np.ndarray, " b"]:
    """Computes Ma's score of each image: about 1 (worst) to 9.5 (best); higher is better.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1]; each side at least 53 pixels, 45 for "plain".
        reference: implementation to reproduce: IQA-PyTorch's `nrqm`, or the authors' MATLAB release. They differ by
            0.01.
        protocol: "pi": as in the perceptual index, luma of MATLAB's rgb2ycbcr, cropped by 4 pixels on each side;
            "plain": grey, whole image.
        weights: the authors' model.mat, or IQA-PyTorch's NRQM_model.mat; None uses the cached file, downloading it if
            missing.

    Returns:
        float64.

    Raises:
        UsageError: `images` are invalid; the forests cannot be downloaded, or the file does not contain them.
    """
    forests = load(weights)
    return score(features(images, reference=reference, protocol=protocol), forests)


def load(weights: str | Path | None = None) -> tuple[Forest, Forest, Forest]:
    """Loads the forests; `weights` and errors as in `ma`."""
    return _default_forests() if weights is None else _forests(str(weights))


def features(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Reference = "pyiqa", protocol: Protocol = "pi"
) -> Features:
    """Computes the 138 features of each image; needs no download. Arguments as in `ma`."""
    if reference not in GREY:
        raise unknown("reference", reference, GREY)
    if protocol not in ("pi", "plain"):
        raise unknown("protocol", protocol, ("pi", "plain"))
    crop = PI_CROP if protocol == "pi" else 0
    valid = validated_images(images, "ma", LEAST_SIDE + 2 * crop)
    h, w = valid.shape[1:3]
    inner = valid[:, crop : h - crop, crop : w - crop]
    luma = PI_LUMA[reference] if protocol == "pi" else GREY[reference]
    return ma_features(np.stack([levels(image, luma) for image in inner]), reference)


def score(features: Features, forests: tuple[Forest, Forest, Forest]) -> Float[np.ndarray, " b"]:
    """Computes scores, the weighted sum of the three forests' predictions."""
    return weighted(predictions(features, forests))


def predictions(features: Features, forests: tuple[Forest, Forest, Forest]) -> Float[np.ndarray, "b 3"]:
    """Returns each forest's prediction from its group of features."""
    return np.stack([predict(forest, group) for forest, group in zip(forests, features, strict=True)], axis=-1)


def weighted(predictions: Float[np.ndarray, "b 3"]) -> Float[np.ndarray, " b"]:
    """Combines the three forests' predictions into scores."""
    first, second, third = predictions.T
    return LINEAR[0] + LINEAR[1] * first + LINEAR[2] * second + LINEAR[3] * third


@functools.cache
def _default_forests() -> tuple[Forest, Forest, Forest]:
    return keep_forests(fetch(FORESTS))


@functools.lru_cache(maxsize=1)
def _forests(path: str) -> tuple[Forest, Forest, Forest]:
    return load_forests(path)

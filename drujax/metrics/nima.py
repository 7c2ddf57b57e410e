"""NIMA: mean of the distribution of human ratings 1..10 that a network predicts.

Talebi and Milanfar, "NIMA: Neural Image Assessment", IEEE TIP 27(8), 2018. The weights do not ship with drujax; they
are downloaded on first use.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

from drujax.errors import UsageError, unknown
from drujax.metrics.kernels.bucketing import images_per_call
from drujax.metrics.kernels.nima_input import INCEPTION_SIDE, MOBILENET_SIDE, centre_square, squeezed
from drujax.metrics.kernels.validation import validated_images
from drujax.metrics.registry import Metric
from drujax.runtime.remote_file import File, github_file, hub_file
from drujax.weights.download import fetch
from drujax.weights.formats.keras import from_keras, read_keras
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import Variables, from_torch

Reference = Literal["pyiqa", "idealo", "idealo-technical"]

INCEPTION = hub_file(
    "nima-inception",
    "NIMA's Inception-ResNet-v2, trained on AVA by IQA-PyTorch, for the metric nima",
    "chaofengc/IQA-PyTorch-Weights",
    "2a70956a7b7915401b1c8c630d1c661ad5da4274",
    "NIMA_InceptionV2_ava-b0c77c00.pth",
    "NIMA_InceptionV2_ava-b0c77c00.pth",
    licence="CC-BY-NC-SA-4.0",
    size=218_000_000,
    sha256="b0c77c00c789565be8e6af96c1641bbad716c1592bff1cdc749c6006b95bd34e",
)


def _idealo(name: str, what: str, filename: str, **known: Any) -> File:
    return github_file(
        name,
        what,
        "idealo/image-quality-assessment",
        "dceaf7c2d218bc6e80b21d6e147e3b56a21b7f31",
        f"models/MobileNet/{filename}",
        filename,
        licence="Apache-2.0",
        **known,
    )


AESTHETIC = _idealo(
    "nima-mobilenet",
    "NIMA's MobileNet (aesthetic), trained on AVA by idealo, for the metric nima",
    "weights_mobilenet_aesthetic_0.07.hdf5",
    size=13_174_216,
    sha256="e563ad91b3d47410e45f7238f07ab8f6abd1bd0c4b18a4b0af9c681a21a91cb2",
)
TECHNICAL = _idealo(
    "nima-mobilenet-technical",
    "NIMA's MobileNet (technical), trained on TID2013 by idealo, for the metric nima",
    "weights_mobilenet_technical_0.11.hdf5",
    size=12_900_000,
)
METRIC = Metric(
    "nima",
    lower_is_better=False,
    smallest=1,
    range="1..10",
    references={"pyiqa": (INCEPTION,), "idealo": (AESTHETIC,), "idealo-technical": (TECHNICAL,)},
    # Other networks, on other scales than the paper's.
    columns={"idealo": "nima_mobilenet", "idealo-technical": "nima_mobilenet_technical"},
)


def nima(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Reference = "pyiqa", weights: str | Path | None = None
) -> Float[np.ndarray, " b"]:
    """Computes NIMA of each image: 1 (worst) to 10 (best), nearly always 3 to 7; higher is better.

    Args:
        images: (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1], of any size.
        reference: "pyiqa": IQA-PyTorch's `nima`, Inception-ResNet-v2 trained on AVA; its input is the image resized to
            a shorter side of 299 pixels (antialiased, as in torchvision since 0.17) and centre-cropped. "idealo" and
            "idealo-technical": idealo's MobileNets trained on AVA and TID2013; their input is the whole image resized
            to 224 x 224 by nearest neighbour.
        weights: the reference's own checkpoint (.pth, or Keras's .hdf5, which needs the extra drujax[keras]); None
            uses the cached file, downloading it if missing.

    Returns:
        float64.

    Raises:
        UsageError: `images` are invalid; the weights cannot be downloaded, or do not fit the network.
    """
    probabilities = distribution(images, reference=reference, weights=weights)
    return (probabilities * np.arange(1.0, 11.0)).sum(axis=1)


def distribution(
    images: Shaped[Array | np.ndarray, "..."], *, reference: Reference = "pyiqa", weights: str | Path | None = None
) -> Float[np.ndarray, "b 10"]:
    """Computes the probability of each rating 1..10. Arguments as in `nima`."""
    if reference not in NETWORKS:
        raise unknown("reference", reference, NETWORKS)
    valid = validated_images(images, "nima")
    variables = _variables(reference, None if weights is None else str(weights))
    prepare = NETWORKS[reference].prepare
    chunk = images_per_call()
    parts = []
    for first in range(0, len(valid), chunk):
        inputs = np.stack([prepare(image) for image in valid[first : first + chunk]])
        # Padded to a constant batch size, so that an image's score does not depend on the others.
        batch = np.pad(inputs, ((0, chunk - len(inputs)), (0, 0), (0, 0), (0, 0)))
        parts.append(np.asarray(_program(reference)(variables, batch))[: len(inputs)])
    probabilities = np.concatenate(parts).astype(np.float64)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def load_variables(reference: Reference, path: str | Path) -> Variables:
    """Loads the variables of the network of `reference` from its own checkpoint. Raises UsageError as `nima` does."""
    network = NETWORKS[reference]
    side = network.side
    image = jax.ShapeDtypeStruct((1, side, side, 3), np.float32)
    shapes = jax.eval_shape(network.module().init, jax.random.key(0), image)
    try:
        return network.convert(path, {name: shapes[name] for name in ("params", "batch_stats")})
    except UsageError as error:
        raise UsageError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


class Network(NamedTuple):
    """A reference: its published weights, network, input side, preprocessing and checkpoint converter."""

    file: File
    module: Callable[[], Any]
    side: int
    prepare: Callable[[np.ndarray], np.ndarray]
    convert: Callable[[str | Path, Any], Variables]


def _from_pytorch(path: str | Path, shapes: Any) -> Variables:
    return from_torch(read_checkpoint(path), shapes)


def _from_keras(path: str | Path, shapes: Any) -> Variables:
    arrays = read_keras(path)
    # Keras numbers the layers created in a process: dense, dense_1, ...
    layers = {name.rpartition("/")[0] for name in arrays}
    places = {layer: "dense" if layer.startswith("dense") else f"mobilenet/{layer}" for layer in layers}
    return from_keras(arrays, shapes, places)


def _inception() -> Any:
    from drujax.models.quality.nima import InceptionNIMA  # imports flax, which no other metric needs

    return InceptionNIMA()


def _mobilenet() -> Any:
    from drujax.models.quality.nima import MobileNetNIMA

    return MobileNetNIMA()


NETWORKS = {
    "pyiqa": Network(INCEPTION, _inception, INCEPTION_SIDE, centre_square, _from_pytorch),
    "idealo": Network(AESTHETIC, _mobilenet, MOBILENET_SIDE, squeezed, _from_keras),
    "idealo-technical": Network(TECHNICAL, _mobilenet, MOBILENET_SIDE, squeezed, _from_keras),
}


@functools.lru_cache(maxsize=2)
def _variables(reference: Reference, path: str | None) -> Variables:
    return jax.device_put(load_variables(reference, fetch(NETWORKS[reference].file) if path is None else path))


@functools.cache
def _program(reference: Reference) -> Callable[[Variables, Any], Array]:
    return jax.jit(NETWORKS[reference].module().apply)

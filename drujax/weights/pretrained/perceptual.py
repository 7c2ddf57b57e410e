"""Weights of the VGG16 of the self-feature-preserving loss."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drujax.errors import UsageError, unknown
from drujax.runtime.remote_file import hub_file
from drujax.weights.download import fetch
from drujax.weights.formats.readers import read_checkpoint
from drujax.weights.torch_names import Variables, from_torch, swap_kernel_layout, unwrapped

VGG16 = hub_file(
    "vgg16",
    "ImageNet weights of timm's vgg16.tv_in1k",
    "timm/vgg16.tv_in1k",
    "3394518cba29aee1ea82a49d971be90d2dd1dab7",
    "model.safetensors",
    "timm-vgg16.tv_in1k.safetensors",
    licence="BSD-3-Clause",
    size=553_000_000,
    sha256="57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
)


def perceptual_variables(choice: str, *, width: int = 64, seed: int = 0) -> Variables:
    """Loads the variables of `VGG16Features`.

    Args:
        choice: "imagenet" (downloaded once), "random" (He initialisation, untrained; for tests without network), or the
            path of a VGG16 checkpoint in a layout supported by `vgg16_features`.
        width: channels of the first block; applies to "random" only (VGG16: 64).
        seed: of "random".

    Raises:
        UsageError: the file is not a VGG16 checkpoint, or cannot be downloaded.
    """
    if choice == "random":
        return _random(width, seed)
    if choice == "imagenet":
        path = fetch(VGG16)
    else:
        path = Path(choice)
        if not path.is_file():
            raise unknown("perceptual", choice, ("imagenet", "random", "or the path of a checkpoint"))
    try:
        return vgg16_features(read_checkpoint(path))
    except UsageError as error:
        raise UsageError(f"perceptual: {path}: {str(error).removeprefix(f'{path}: ')}") from error


def _random(width: int, seed: int) -> Variables:
    import jax
    import jax.numpy as jnp
    from flax.linen.initializers import he_normal

    from drujax.models.perceptual import VGG16Features

    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(VGG16Features(width).init, jax.random.key(0), image)["params"]
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    layers = {}
    for key, (name, layer) in zip(keys, sorted(shapes.items()), strict=True):
        kernel = he_normal()(key, layer["kernel"].shape, jnp.float32)
        # Inputs are in 0..255. Dividing the first kernel keeps features of moderate size: the instance normalisation
        # that follows does not need it, but bfloat16 does.
        layers[name] = {"kernel": kernel / 255 if name == "conv1_1" else kernel, "bias": jnp.zeros(layer["bias"].shape)}
    return {"params": layers}


def vgg16_features(state: Mapping[str, np.ndarray]) -> Variables:
    """Converts the state dict of a VGG16 checkpoint to the variables of `VGG16Features`, dropping layers after relu5_1.

    Three layouts are supported: PyTorch's names convB_C (the official EnlightenGAN's `vgg16.weight`), the same as HWIO
    arrays `convB_C/kernel`, and torchvision's or timm's `features.N`. The first two come from the Caffe model, whose
    input is BGR in 0..255, as `VGG16Features` computes it. Torchvision's input is RGB in 0..1 divided by ImageNet's
    standard deviation, so the first kernel's channels are reversed and divided by 255 times that deviation. ImageNet's
    mean is not subtracted in either case, because the official loss does not: the inputs are brighter by it than those
    in training.

    Raises:
        UsageError: the layout is unknown, or a layer is missing or of the wrong shape.
    """
    import jax

    from drujax.models.perceptual import VGG16Features

    state = unwrapped(state)
    if "conv1_1/kernel" in state:
        named = {
            f"{n}.weight": swap_kernel_layout(state[f"{n}/kernel"], back=True) for n in _VGG16 if f"{n}/kernel" in state
        }
        named |= {f"{n}.bias": state[f"{n}/bias"] for n in _VGG16 if f"{n}/bias" in state}
    else:
        places = {name: name.rpartition(".") for name in state}
        by_place = {f"features.{place}": name for name, place in _VGG16.items()}
        known = {name: by_place.get(layer, layer) for name, (layer, _, _) in places.items()}
        named = {f"{known[name]}.{places[name][2]}": value for name, value in state.items() if known[name] in _VGG16}
    first = named.get("conv1_1.weight")
    if first is None or first.ndim != 4:
        raise UsageError(f"not a VGG16 checkpoint: its first array is {next(iter(state), None)!r}")
    if "features.0.weight" in state:
        named["conv1_1.weight"] = _to_bgr255(first)
    module = VGG16Features(width=first.shape[0])
    shapes = jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32))
    return from_torch(named, shapes)


def _to_bgr255(kernel: np.ndarray) -> np.ndarray:
    from drujax.models.backbones import IMAGENET_STD

    return (kernel / (255 * np.array(IMAGENET_STD))[:, None, None])[:, ::-1]


# VGG16's convolutions up to relu5_1, and their indices in torchvision's `features`.
_VGG16 = {
    **{"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14},
    **{"conv4_1": 17, "conv4_2": 19, "conv4_3": 21, "conv5_1": 24},
}

"""The VGG16 of the self-feature-preserving loss, by name."""

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
    """Variables of `VGG16Features`.

    Args:
        choice: "imagenet" (downloaded once), "random" (He initialisation, not trained; for trials without network), or
            the path of a VGG16 checkpoint in a layout that `vgg16_features` knows.
        width: channels of the first block; only "random" can have another than VGG16's 64.
        seed: of "random".

    Raises:
        UsageError: the file holds no VGG16, or cannot be downloaded.
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
        # The pictures come as 0..255; a first layer for 0..1 would give features of that size, which is as good to the
        # instance normalisation that follows, but not to bfloat16.
        layers[name] = {"kernel": kernel / 255 if name == "conv1_1" else kernel, "bias": jnp.zeros(layer["bias"].shape)}
    return {"params": layers}


def vgg16_features(state: Mapping[str, np.ndarray]) -> Variables:
    """The variables of `VGG16Features` from a checkpoint of VGG16; layers behind relu5_1 are left out.

    Three layouts are known: PyTorch's names convB_C (the official EnlightenGAN's `vgg16.weight`), the same as HWIO
    arrays `convB_C/kernel`, and torchvision's or timm's `features.N`. The first two come from the Caffe model and take
    BGR in 0..255 as the network gives it. Torchvision's take RGB in 0..1 over the standard deviation of ImageNet: the
    first kernel's channels are reversed and divided by 255 times that deviation. Neither subtracts ImageNet's mean
    afterwards, because the official loss does not: both see pictures brighter by it than they were trained with.

    Raises:
        UsageError: no such layout, or a layer is missing or has another shape.
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
        raise UsageError(f"it is no VGG16: its first array is called {next(iter(state), None)!r}")
    if "features.0.weight" in state:
        named["conv1_1.weight"] = _to_bgr255(first)
    module = VGG16Features(width=first.shape[0])
    shapes = jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32))
    return from_torch(named, shapes)


def _to_bgr255(kernel: np.ndarray) -> np.ndarray:
    from drujax.models.backbones import IMAGENET_STD

    return (kernel / (255 * np.array(IMAGENET_STD))[:, None, None])[:, ::-1]


# VGG16's convolutions up to relu5_1, and their places in torchvision's `features`.
_VGG16 = {
    **{"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14},
    **{"conv4_1": 17, "conv4_2": 19, "conv4_3": 21, "conv5_1": 24},
}

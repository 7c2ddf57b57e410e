"""The quantised ImageNet checkpoints, against NumPy alone, and by what they see in pictures."""

import numpy as np
import pytest
from PIL import Image

from drujax.models.backbones import BACKBONES, normalise
from drujax.weights.pretrained.backbones import CODEBOOK_LICENCE, load_pretrained, results_licence
from tests.support.numpy_networks import convolve, pool_max

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAFFE_MEAN = np.array([103.939, 116.779, 123.68])  # BGR


def checkpoint(shared, name):
    """Path and arrays of a file of the reference data."""
    path = shared / "weights" / "backbones" / f"{name}.npz"
    with np.load(path) as archive:
        return str(path), dict(archive)


def golden_picture(shared, name, side):
    """A golden's picture: its central square, in side x side pixels."""
    image = Image.open(shared / "goldens" / "iqa" / "images" / f"{name}.png").convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return np.asarray(
        image.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BILINEAR)
    )


def resnet18(arrays, x):
    """Logits of an image in ImageNet normalisation: He et al. 2016, batch norms by their folded scale and bias."""

    def kernel(name, k):
        if f"{name}.weight" in arrays:
            return arrays[f"{name}.weight"]
        codes = arrays[f"{name}.codes_matrix"]
        return arrays[f"{name}.codebook"].astype(np.float64)[codes].reshape(len(codes), -1, k, k)

    def convolved(x, name, norm, k, stride=1):
        x = convolve(x, kernel(name, k), stride=stride, pad=(k // 2, k // 2))
        return x / np.sqrt(1 + 1e-5) * arrays[f"{norm}.weight"] + arrays[f"{norm}.bias"]

    x = pool_max(np.maximum(convolved(x, "conv1", "bn1", 7, 2), 0), 3, stride=2, pad=(1, 1))
    for stage in (1, 2, 3, 4):
        for i in (0, 1):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            inner = np.maximum(convolved(x, f"{name}.conv1", f"{name}.bn1", 3, stride), 0)
            inner = convolved(inner, f"{name}.conv2", f"{name}.bn2", 3)
            if stride == 2:
                x = convolved(x, f"{name}.downsample.0", f"{name}.downsample.1", 1, 2)
            x = np.maximum(x + inner, 0)
    return kernel("fc", 1)[:, :, 0, 0] @ x.mean((0, 1)) + arrays["fc.bias"]


def test_resnet18_equals_numpys(shared):
    path, arrays = checkpoint(shared, "resnet18_imagenet_quantized")
    loaded = load_pretrained("resnet18", path)
    rgb = golden_picture(shared, "chelsea", 96)
    expected = resnet18(arrays, (rgb / 255 - MEAN) / STD)
    got = BACKBONES["resnet18"].build(1000).apply(loaded.variables, normalise(rgb[None]), train=False)
    np.testing.assert_allclose(got[0], expected, atol=1e-4 * np.abs(expected).max())
    assert (loaded.options, loaded.licence, results_licence(path)) == ({}, CODEBOOK_LICENCE, CODEBOOK_LICENCE)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_recognise_pictures(shared, name):
    """ImageNet's classes: 281, 282 and 285 are house cats, 967 espresso, 945 bell peppers."""
    path, _ = checkpoint(shared, f"{name}_imagenet_quantized")
    classes = {"chelsea": {281, 282, 285}, "coffee": {967}, "peppers": {945}}
    pictures = np.stack([golden_picture(shared, picture, 224) for picture in classes])
    module = BACKBONES[name].build(1000)
    logits = np.asarray(module.apply(load_pretrained(name, path).variables, normalise(pictures), train=False))
    assert all(found in wanted for found, wanted in zip(logits.argmax(1), classes.values(), strict=True))


def test_vgg19_equals_numpys_on_caffes_input(shared):
    """BGR in 0..255 minus Caffe's mean, padded with zeros after that; all of a small image is near a border."""
    path, arrays = checkpoint(shared, "vgg19_imagenet_caffe_conv_palette")
    loaded = load_pretrained("vgg19", path)
    rgb = golden_picture(shared, "coffee", 32)
    x = rgb[..., ::-1] - CAFFE_MEAN
    for block, layers in enumerate((2, 2, 4, 4, 4), start=1):
        for layer in range(1, layers + 1):
            name = f"conv{block}_{layer}"
            kernel = arrays[f"{name}.palette"][arrays[f"{name}.codes"]]
            x = np.maximum(convolve(x, kernel, pad=(1, 1)) + arrays[f"{name}.bias"], 0)
        x = pool_max(x, 2, stride=2)
    expected = x.mean((0, 1))
    module = BACKBONES["vgg19"].build(2, **loaded.options)
    got = module.apply(loaded.variables, normalise(rgb[None]), train=False, features=True)
    assert got.shape == (1, 512)
    np.testing.assert_allclose(got[0], expected, atol=1e-5 * expected.max())
    assert loaded.licence == "that of vgg19_imagenet_caffe_conv_palette.npz"
    assert results_licence(path) is None

import jax
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.perceptual import VGG16Features
from drujax.weights.pretrained.perceptual import perceptual_variables


def test_random_features_are_of_moderate_size_and_depend_on_the_seed():
    image = jax.random.uniform(jax.random.key(0), (1, 32, 32, 3), minval=-1)
    variables = perceptual_variables("random", width=8, seed=1)
    features = VGG16Features(8).apply(variables, image)
    assert features.shape == (1, 4, 4, 64)
    assert 0.01 < float(features.std()) < 10
    other = perceptual_variables("random", width=8, seed=2)
    assert not np.array_equal(variables["params"]["conv1_1"]["kernel"], other["params"]["conv1_1"]["kernel"])


def test_real_vgg16(shared):
    path = shared / "weights" / "backbones" / "vgg16_imagenet_caffe_conv_fp16.npz"
    params = perceptual_variables(str(path))["params"]
    assert params["conv5_1"]["kernel"].shape == (3, 3, 512, 512)
    with np.load(path) as stored:
        np.testing.assert_array_equal(params["conv1_1"]["kernel"], stored["conv1_1/kernel"].astype(np.float32))


def test_a_file_without_vgg16_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(UsageError, match=r"perceptual: .*a.npz: not a VGG16 checkpoint"):
        perceptual_variables(str(tmp_path / "a.npz"))

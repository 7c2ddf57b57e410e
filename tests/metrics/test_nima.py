import dataclasses
import importlib
import sys
import zlib

import jax
import numpy as np
import pytest
from PIL import Image

from drujax import metrics
from drujax.errors import UsageError
from drujax.metrics.kernels.nima_input import centre_square, squeezed
from drujax.metrics.nima import NETWORKS, _from_keras, distribution, load_variables
from drujax.models.quality.nima import InceptionNIMA, MobileNetNIMA
from drujax.weights.formats import keras
from drujax.weights.torch_names import flatten
from tests.support.numpy_networks import convolve, convolve_depthwise, softmax

MODULE = importlib.import_module("drujax.metrics.nima")  # in drujax.metrics the name is the function's
GOLDEN_PICTURES = ["I04_dist", "anime_kspark", "synth_dark_odd", "astronaut"]
TOLERANCE = 1e-5


def drawn(name: str, shape: tuple[int, ...], *, fan_in: int) -> np.ndarray:
    """The array `name` of the generated weights used for the goldens."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("running_mean", "moving_mean")):
        values = 0.1 * random.standard_normal(shape)
    elif name.endswith(("running_var", "moving_variance")):
        values = random.uniform(0.5, 1.5, shape)
    elif name.endswith(("bias", "beta")):
        values = 0.05 * random.standard_normal(shape)
    elif len(shape) > 1:
        values = random.standard_normal(shape) * np.sqrt(2 / fan_in)
        values *= 0.1 if name.startswith("classifier") else 1
    else:
        values = random.uniform(0.8, 1.2, shape)
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def inception(goldens, tmp_path_factory):
    """A checkpoint of IQA-PyTorch's network with generated weights."""
    path = tmp_path_factory.mktemp("nima") / "inception.npz"
    names = goldens("iqa/nima_state_dict_keys.json")["inception_resnet_v2"]
    state = {name: drawn(name, tuple(shape), fan_in=int(np.prod(shape[1:]))) for name, shape in names}
    np.savez(path, **state)
    return path


@pytest.fixture(scope="module")
def mobilenet():
    """The arrays of a Keras MobileNet of idealo's kind, by layer, with generated weights."""
    module = MobileNetNIMA()
    shapes = jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32))
    leaves = {"scale": "gamma", "mean": "moving_mean", "var": "moving_variance"}
    arrays = {}
    for path, leaf in flatten(shapes).items():
        *_, layer, name = path.split("/")
        name = "beta" if layer.endswith("_bn") and name == "bias" else leaves.get(name, name)
        layer = "dense_1" if layer == "dense" else layer
        shape = (3, 3, leaf.shape[-1], 1) if layer.startswith("conv_dw") and name == "kernel" else leaf.shape
        # As for the goldens' depthwise kernels, which sum nine values.
        fan_in = 9 if shape[-1] == 1 else int(np.prod(shape[:-1]))
        arrays[f"{layer}/{name}"] = drawn(f"{layer}/{name}", shape, fan_in=fan_in)
    return arrays


def picture(shared, name):
    return np.asarray(Image.open(shared / "goldens" / "iqa" / "images" / f"{name}.png").convert("RGB"))


@pytest.mark.parametrize("name", GOLDEN_PICTURES)
def test_input_equals_that_of_torchvision(shared, goldens, name):
    arrays, rgb = goldens("iqa/nima_arch"), picture(shared, name)
    for key, antialias in (("antialias", True), ("noantialias", False)):
        got = centre_square(rgb, antialias=antialias)
        assert got.dtype == np.float32
        expected = arrays[f"inception_resnet_v2/{name}/preproc_{key}_sub8"]
        np.testing.assert_allclose(got[::8, ::8].transpose(2, 0, 1), expected, atol=3e-5)


@pytest.mark.parametrize("name", GOLDEN_PICTURES)
def test_inception_equals_iqa_pytorchs(shared, goldens, inception, name):
    def golden(key):
        return goldens("iqa/nima_arch")[f"inception_resnet_v2/{name}/{key}"]

    variables = load_variables("pyiqa", inception)
    x = centre_square(picture(shared, name))[None]
    result, seen = jax.jit(lambda v, x: InceptionNIMA().apply(v, x, mutable="intermediates"))(variables, x)
    pooled, logits = (seen["intermediates"][key][0][0] for key in ("pooled", "logits"))
    np.testing.assert_allclose(pooled, golden("gap"), atol=TOLERANCE * golden("gap").max())
    np.testing.assert_allclose(logits, golden("logits"), atol=TOLERANCE)
    np.testing.assert_allclose(result[0], golden("dist"), atol=TOLERANCE)
    score = metrics.nima(picture(shared, name), weights=inception)
    assert score.dtype == np.float64
    np.testing.assert_allclose(score, golden("mos"), atol=TOLERANCE)


def test_mobilenet_equals_kerass(mobilenet, tmp_path, monkeypatch):
    """Expected probabilities are from keras.applications.MobileNet (Keras 3.15), pooled, with a Dense layer of 10."""
    monkeypatch.setattr(MODULE, "read_keras", lambda path: mobilenet)
    rgb = (np.arange(224 * 224 * 3) * 7919 % 256).astype(np.uint8).reshape(224, 224, 3)
    expected = [0.0446495, 0.196939, 0.190234, 0.12195, 0.0813984, 0.0269272, 0.0948571, 0.0445348, 0.0538285, 0.144681]
    got = distribution(rgb, reference="idealo", weights=tmp_path / "a")
    np.testing.assert_allclose(got, [expected], atol=1e-6)


def numpys_mobilenet(arrays, rgb):
    """Ratings by Keras's arithmetic: stride 2 pads below and to the right only, ReLU6, epsilon 0.001."""

    def activated(x, name):
        gamma, beta, mean, var = (
            arrays[f"{name}/{leaf}"] for leaf in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return np.clip((x - mean) / np.sqrt(var + 1e-3) * gamma + beta, 0, 6)

    def pointwise(x, name):
        return activated(x @ arrays[f"{name}/kernel"][0, 0].astype(np.float64), f"{name}_bn")

    x = rgb / 127.5 - 1
    x = activated(convolve(x, arrays["conv1/kernel"].transpose(3, 2, 0, 1), stride=2, pad=(0, 1)), "conv1_bn")
    for i in range(1, 14):
        stride, pad = (2, (0, 1)) if i in (2, 4, 6, 12) else (1, (1, 1))
        kernel = arrays[f"conv_dw_{i}/depthwise_kernel"]
        x = activated(convolve_depthwise(x, kernel, stride=stride, pad=pad), f"conv_dw_{i}_bn")
        x = pointwise(x, f"conv_pw_{i}")
    return softmax(x.mean((0, 1)) @ arrays["dense_1/kernel"] + arrays["dense_1/bias"])


def test_idealos_weights_equal_numpys(shared):
    """On a photograph of idealo's repository, one of AVA's."""
    pytest.importorskip("h5py")
    path = shared / "weights" / "iqa" / "nima_mobilenet_aesthetic_0.07.hdf5"
    rgb = picture(shared, "photo_ava42041")
    nearest = np.asarray(Image.fromarray(rgb).resize((224, 224), Image.Resampling.NEAREST))
    expected = numpys_mobilenet(keras.read_keras(path), nearest)
    np.testing.assert_allclose(distribution(rgb, reference="idealo", weights=path)[0], expected, atol=TOLERANCE)
    score = metrics.nima(rgb, reference="idealo", weights=path)
    np.testing.assert_allclose(score, [expected @ np.arange(1, 11)], atol=1e-4)


@pytest.mark.parametrize("layout", ["weights", "model"])
def test_keras_files(mobilenet, tmp_path, layout):
    """Weights only, as Keras 2 writes them (conv1/conv1/kernel:0), and a saved model."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        for name, array in mobilenet.items():
            layer, _, leaf = name.rpartition("/")
            if layout == "weights":
                leaf = "depthwise_kernel" if layer.startswith("conv_dw") and leaf == "kernel" else leaf
                file[f"{layer}/{layer}/{leaf}:0"] = array
            else:
                file[f"model_weights/{layer}/{layer}/{leaf}"] = array
        if layout == "model":
            file["optimizer_weights/conv1/kernel:0"] = np.zeros(3)
    variables = load_variables("idealo", path)
    np.testing.assert_array_equal(variables["params"]["dense"]["kernel"], mobilenet["dense_1/kernel"])
    kernel = variables["params"]["mobilenet"]["conv_dw_2"]["kernel"]
    np.testing.assert_array_equal(kernel[..., 0, :], mobilenet["conv_dw_2/kernel"][..., 0])
    np.testing.assert_array_equal(
        variables["batch_stats"]["mobilenet"]["conv1_bn"]["var"], mobilenet["conv1_bn/moving_variance"]
    )


def test_other_keras_files_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)
    with pytest.raises(UsageError, match="a.h5: no weights by layer name found"):
        keras.read_keras(path)
    with h5py.File(path, "w") as file:
        file["conv1/conv1/kernel:0"] = np.zeros((3, 3, 3, 32))
    with pytest.raises(UsageError, match="a.h5: does not match the network: missing 136 arrays"):
        load_variables("idealo", path)
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/kernel:0", (3,), "f4", external=[(str(tmp_path / "secret"), 0, 12)])
    with pytest.raises(UsageError, match="a.h5: conv1/kernel:0 is stored in another file"):
        keras.read_keras(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UsageError, match="a.h5: the file is damaged or not HDF5"):
        keras.read_keras(path)


def test_missing_h5py_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UsageError, match=r"a.h5: reading Keras's files needs h5py: pip install drujax\[keras\]"):
        keras.read_keras(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError):
        keras.read_keras(tmp_path / "missing.h5")


def test_squeezed_equals_pillows_nearest_neighbour():
    random = np.random.default_rng(0)
    for size in ((384, 512), (301, 453), (1, 1), (100, 3), (224, 224), (448, 225)):
        rgb = random.integers(0, 256, (*size, 3), np.uint8)
        nearest = Image.fromarray(rgb).resize((224, 224), Image.Resampling.NEAREST)
        np.testing.assert_allclose(squeezed(rgb), np.asarray(nearest) / 127.5 - 1, atol=1e-6)
        np.testing.assert_array_equal(squeezed(rgb), squeezed(rgb.astype(np.float32) / np.float32(255)))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (299, 299), (700, 310)])
def test_centre_of_a_constant_image_is_constant(size):
    got = centre_square(np.full((*size, 3), 51, np.uint8))
    assert got.shape == (299, 299, 3)
    np.testing.assert_allclose(got, -0.6, atol=1e-6)


def test_centre_square_crops_the_centre():
    ramp = np.broadcast_to(np.linspace(0, 1, 598)[None, :, None], (299, 598, 3))
    row = centre_square(ramp)[0, :, 0]
    np.testing.assert_allclose(row[[0, -1]], 2 * np.linspace(0, 1, 598)[[150, 448]] - 1, atol=1e-6)


def test_score_does_not_depend_on_the_batch(mobilenet, tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "read_keras", lambda path: mobilenet)
    pictures = np.random.default_rng(1).random((5, 40, 60, 3), np.float32)
    arguments = {"reference": "idealo", "weights": tmp_path / "b"}
    alone = np.concatenate([metrics.nima(picture, **arguments) for picture in pictures])
    np.testing.assert_array_equal(metrics.nima(pictures, **arguments), alone)
    monkeypatch.setattr(MODULE, "images_per_call", lambda: 3)  # as on an accelerator
    np.testing.assert_allclose(metrics.nima(pictures, **arguments), alone, atol=1e-5)
    assert ((alone > 1) & (alone < 10)).all()


def test_weights_of_another_network_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(UsageError, match="a.npz: does not match the network: missing .* arrays"):
        metrics.nima(np.zeros((8, 8, 3)), weights=tmp_path / "a.npz")


@pytest.mark.parametrize("reference", NETWORKS)
def test_missing_weights_are_reported_in_one_line(reference, tmp_path, monkeypatch):
    network = NETWORKS[reference]
    file = dataclasses.replace(network.file, url="http://127.0.0.1:9/file")
    monkeypatch.setenv("DRUJAX_CACHE", str(tmp_path))
    monkeypatch.setitem(NETWORKS, reference, network._replace(file=file))
    with pytest.raises(UsageError, match=f"NIMA.*no connection.*put it at .*{file.filename}") as error:
        metrics.nima(np.zeros((8, 8, 3)), reference=reference)
    assert "\n" not in str(error.value)


def test_the_dense_layer_is_found_under_any_number(mobilenet):
    renamed = {name.replace("dense_1/", "dense_7/"): array for name, array in mobilenet.items()}
    shapes = jax.eval_shape(MobileNetNIMA().init, jax.random.key(0), np.zeros((1, 224, 224, 3), np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "read_keras", lambda path: renamed)
        variables = _from_keras("a", shapes)
    np.testing.assert_array_equal(variables["params"]["dense"]["bias"], mobilenet["dense_1/bias"])

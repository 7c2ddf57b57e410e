import jax
import numpy as np
import pytest

from drujax.models.backbones import BACKBONES, normalise
from drujax.uncertainty.classifier_training import fit_network
from drujax.uncertainty.confident_set import gather
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.network_io import load_network, save_network
from drujax.uncertainty.probability import train_probability_network
from drujax.uncertainty.recalibration import has_folded_norms, recalibrate
from drujax.weights.formats.codebooks import has_codebooks
from drujax.weights.pretrained.backbones import CODEBOOK_LICENCE, initialise
from drujax.weights.safetensors_io import read_metadata
from drujax.weights.torch_names import to_torch


def folded(variables):
    """The variables of the tiny backbone, its batch norm folded as permute-quantize-finetune does."""
    norm, statistics = variables["params"]["bn"], variables["batch_stats"]["bn"]
    scale = norm["scale"] / np.sqrt(statistics["var"] + 1e-5)
    params = {**variables["params"], "bn": {"scale": scale, "bias": norm["bias"] - scale * statistics["mean"]}}
    return {"params": params, "batch_stats": {"bn": {"mean": np.zeros(4), "var": np.ones(4)}}}


@pytest.fixture(scope="module")
def large(network):
    """The trained tiny backbone with convolutions 50 times as large, which its folded scale makes up for."""
    params, statistics = network.variables["params"], network.variables["batch_stats"]["bn"]
    conv = {"kernel": np.asarray(params["conv"]["kernel"]) * 50}
    bn = {"mean": np.asarray(statistics["mean"]) * 50, "var": np.asarray(statistics["var"]) * 2500}
    return folded({"params": {**params, "conv": conv}, "batch_stats": {"bn": bn}})


def outputs(module, variables, images, *, train=False):
    x = normalise(images)
    if train:
        return np.asarray(module.apply(variables, x, train=True, mutable=["batch_stats"])[0])
    return np.asarray(module.apply(variables, x, train=False))


def test_outputs_in_inference_stay_and_those_in_training_become_them(tiny, large, pictures):
    module, images = BACKBONES[tiny].build(2), gather(pictures, 16).images
    recalibrated = recalibrate(module, large, images)
    assert has_folded_norms(large)
    assert not has_folded_norms(recalibrated)
    expected = outputs(module, large, images)
    other = 255 - images  # none that it was calibrated on
    for pixels in (images, other):
        np.testing.assert_allclose(outputs(module, recalibrated, pixels), outputs(module, large, pixels), atol=1e-4)
    # The batch is the calibration set, so its statistics are the running ones.
    np.testing.assert_allclose(outputs(module, recalibrated, images, train=True), expected, atol=1e-3)
    assert np.abs(outputs(module, large, images, train=True) - expected).max() > 1


def test_training_goes_on_from_the_recalibrated_form_but_not_from_the_folded(tiny, large, pictures):
    module, data = BACKBONES[tiny].build(2), gather(pictures, 16)
    recipe = ProbabilityRecipe(epochs=3, batch_size=40, learning_rate=1e-3, resolution=16)

    def losses(variables):
        lines = []
        fit_network(module, variables, data.images, data.labels, recipe, lines.append)
        return [float(line.partition("loss ")[2].partition(",")[0]) for line in lines]

    entropy = -np.log(np.asarray(jax.nn.softmax(outputs(module, large, data.images)))[range(40), data.labels]).mean()
    recalibrated = losses(recalibrate(module, large, data.images))
    assert recalibrated[0] == pytest.approx(entropy, abs=1e-2)
    assert recalibrated[-1] < recalibrated[0]
    assert losses(large)[-1] > 2 * recalibrated[-1]


def test_a_real_resnet18_trains_from_where_it_is(shared, pictures):
    path = shared / "weights" / "backbones" / "resnet18_imagenet_quantized.npz"
    initial = initialise("resnet18", str(path), num_classes=2, resolution=64, key=jax.random.key(0))
    module, images = BACKBONES["resnet18"].build(2), gather(pictures, 64).images[::5]
    recalibrated = recalibrate(module, initial.variables, images)

    def features(variables, *, train=False):
        options = {"mutable": ["batch_stats"]} if train else {}
        result = module.apply(variables, normalise(images), train=train, features=True, **options)
        return np.asarray(result[0] if train else result)

    expected = features(initial.variables)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(features(recalibrated), expected, atol=1e-4 * scale)
    np.testing.assert_allclose(features(recalibrated, train=True), expected, atol=1e-3 * scale)
    assert np.abs(features(initial.variables, train=True) - expected).max() > 0.1 * scale


@pytest.fixture
def quantised_file(large, tmp_path):
    """The tiny backbone as a checkpoint with a codebook."""
    state = to_torch(large)
    kernel = state.pop("conv.weight")
    blocks = kernel.reshape(-1, 9)
    codes = np.arange(len(blocks), dtype=np.uint8).reshape(4, 3)
    quantised = {"conv.codebook": blocks.astype(np.float16), "conv.codes_matrix": codes}
    kept = {name: value for name, value in state.items() if name.startswith("bn") and "running" not in name}
    np.savez(tmp_path / "tiny.npz", **kept, **quantised)
    assert has_codebooks(quantised)
    return tmp_path / "tiny.npz"


def test_a_quantised_checkpoint_is_recalibrated_before_training(
    tiny, pictures, recipe, lines, quantised_file, tmp_path
):
    network = train_probability_network(pictures, tiny, str(quantised_file), recipe, log=lines.append)
    assert "probability network: folded batch norms are recalibrated on 32 images" in lines
    assert f"{quantised_file} is under the {CODEBOOK_LICENCE}" in lines[1]
    assert network.report["accuracy"] == 1.0
    save_network(tmp_path / "a.safetensors", network)
    assert read_metadata(tmp_path / "a.safetensors")["licence"] == CODEBOOK_LICENCE


def test_frozen_and_random_networks_are_not_recalibrated(tiny, pictures, recipe, lines, quantised_file):
    frozen = ProbabilityRecipe(epochs=2, resolution=16, freeze_features=True)
    network = train_probability_network(pictures, tiny, str(quantised_file), frozen, log=lines.append)
    assert has_folded_norms(network.variables)
    train_probability_network(pictures, tiny, "none", recipe, log=lines.append)
    assert not [line for line in lines if "recalibrated" in line]


def test_vgg19s_convolutions_are_saved_with_their_options(shared, pictures, lines, tmp_path):
    path = shared / "weights" / "backbones" / "vgg19_imagenet_caffe_conv_palette.npz"
    frozen = ProbabilityRecipe(epochs=2, resolution=32, freeze_features=True)
    network = train_probability_network(pictures, "vgg19", str(path), frozen, log=lines.append)
    assert "the features are the average of its map" in lines[1]
    save_network(tmp_path / "a.safetensors", network)
    options = read_metadata(tmp_path / "a.safetensors")["options"]
    assert options["pooled"] is True
    np.testing.assert_allclose(options["input_offset"], [-0.00009, -0.00874, -0.00713], atol=1e-5)
    images = [example.image for example in pictures[:3]]
    loaded = load_network(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(loaded.probabilities(images), network.probabilities(images))

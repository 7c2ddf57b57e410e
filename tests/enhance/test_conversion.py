"""Converts PyTorch's names and layouts to Flax variables and back; VGG16 in any layout gets the same inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.models.backbones import IMAGENET_STD
from drujax.models.discriminator import PatchDiscriminator
from drujax.models.generator import Generator
from drujax.models.perceptual import VGG16Features
from drujax.weights.pretrained.perceptual import vgg16_features
from drujax.weights.torch_names import check, flatten, from_torch, nest, to_torch, torch_name

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def tiny_state():
    return {
        "layer1.0.conv.weight": normal(5, 3, 2, 4),  # O I H W
        "layer1.0.bn.weight": normal(5),
        "layer1.0.bn.bias": normal(5),
        "layer1.0.bn.running_mean": normal(5),
        "layer1.0.bn.running_var": normal(5),
        "layer1.0.bn.num_batches_tracked": np.array(3),
        "fc.weight": normal(2, 5),
        "fc.bias": normal(2),
        "class_token": normal(1, 1, 5),
    }


def tiny_variables(state):
    conv = np.transpose(state["layer1.0.conv.weight"], (2, 3, 1, 0))
    norm = {"scale": state["layer1.0.bn.weight"], "bias": state["layer1.0.bn.bias"]}
    stats = {"mean": state["layer1.0.bn.running_mean"], "var": state["layer1.0.bn.running_var"]}
    return {
        "params": {
            "layer1.0.conv": {"kernel": conv},
            "layer1.0": {"bn": norm},  # a module within a module: the names join with a dot
            "fc": {"kernel": state["fc.weight"].T, "bias": state["fc.bias"]},
            "class_token": state["class_token"],
        },
        "batch_stats": {"layer1.0": {"bn": stats}},
    }


def assert_same(got, wanted):
    got, wanted = flatten(got), flatten(wanted)
    assert got.keys() == wanted.keys()
    for path, value in wanted.items():
        np.testing.assert_array_equal(got[path], value, strict=True, err_msg=path)


@pytest.mark.parametrize("prefix", ["", "module.", "module.module.", "_orig_mod."])
def test_names_and_layouts(prefix):
    state = tiny_state()
    wanted = tiny_variables(state)
    assert_same(from_torch({prefix + name: value for name, value in state.items()}, wanted), wanted)


def test_half_precision_and_doubles_become_float32():
    state = {"a.weight": np.float16([[1, 2]]), "a.bias": np.array([0.1])}
    variables = from_torch(state, {"params": {"a": {"kernel": np.empty((2, 1)), "bias": np.empty(1)}}})
    np.testing.assert_array_equal(variables["params"]["a"]["kernel"], np.float32([[1], [2]]), strict=True)
    np.testing.assert_array_equal(variables["params"]["a"]["bias"], np.float32([0.1]), strict=True)


def test_conversion_and_its_inverse():
    state = tiny_state()
    del state["layer1.0.bn.num_batches_tracked"]
    back = to_torch(from_torch(state, tiny_variables(state)))
    assert back.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(back[name], value, strict=True)


def test_discriminators_make_the_round_trip():
    shapes = jax.eval_shape(PatchDiscriminator(features=2).init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = nest({path: normal(*leaf.shape) for path, leaf in flatten(shapes).items()})
    state = to_torch(variables)
    assert {"model.0.weight", "model.12.bias"} <= state.keys()
    assert_same(from_torch(state, shapes), variables)


def generator_shapes():
    images, attention = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))
    return jax.eval_shape(lambda key: Generator().init(key, images, attention, train=False), jax.random.key(0))


def test_official_generator_names(goldens):
    """Every tensor of 200_net_G_A.pth is mapped, and converting back restores the file."""
    state = goldens("enlightengan/g_state")
    back = to_torch(from_torch(state, generator_shapes()))
    assert {f"module.{name}" for name in back} == state.keys()
    for name, value in back.items():
        np.testing.assert_array_equal(value, state[f"module.{name}"], strict=True)


def test_torch_names():
    assert torch_name("params/features.0/0/kernel") == "features.0.0.weight"
    assert torch_name("batch_stats/bn1/var") == "bn1.running_var"
    assert torch_name("params/class_token") == "class_token"


def test_mismatched_arrays_are_reported_in_one_line():
    state = tiny_state()
    shapes = tiny_variables(state)
    missing = {name: value for name, value in state.items() if not name.startswith("layer1.0.bn")}
    with pytest.raises(UsageError) as caught:
        from_torch({**missing, "extra.weight": normal(2), "fc.bias": normal(3)}, shapes)
    assert str(caught.value) == (
        "does not match the network: missing 4 arrays (params/layer1.0/bn/scale, params/layer1.0/bn/bias, "
        "batch_stats/layer1.0/bn/mean, ...); unexpected 1 array (extra.weight); "
        "wrong shape of 1 array (params/fc/bias: must be (2,), got (3,))"
    )


def test_check_accepts_matching_arrays():
    variables = tiny_variables(tiny_state())
    check(variables, variables)
    with pytest.raises(UsageError, match=r"missing 1 array \(params/class_token\)$"):
        check({**variables, "params": {k: v for k, v in variables["params"].items() if k != "class_token"}}, variables)


PLACES = {
    **{"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14},
    **{"conv4_1": 17, "conv4_2": 19, "conv4_3": 21, "conv5_1": 24, "conv5_2": 26, "conv5_3": 28},
}


def small_vgg(width=2):
    """Kernels OIHW and biases of a VGG16 of that width, by convB_C."""
    factors = {"1": 1, "2": 2, "3": 4, "4": 8, "5": 8}
    state, channels = {}, 3
    for name in PLACES:
        features = width * factors[name[4]]
        state[f"{name}.weight"] = normal(features, channels, 3, 3) * np.sqrt(2 / (9 * channels)).astype(np.float32)
        state[f"{name}.bias"] = 0.1 * normal(features)
        channels = features
    return state


def features(variables, images):
    return np.asarray(VGG16Features(width=2).apply(variables, jnp.asarray(images)))


def test_vgg16_in_the_caffe_convention():
    state = small_vgg()
    wanted = {f"params/{n}/kernel": state[f"{n}.weight"].transpose(2, 3, 1, 0) for n in list(PLACES)[:11]}
    wanted |= {f"params/{n}/bias": state[f"{n}.bias"] for n in list(PLACES)[:11]}
    assert_same(vgg16_features(state), nest(wanted))
    arrays = {
        name.replace(".weight", "/kernel").replace(".bias", "/bias"): np.moveaxis(v, (0, 1), (-1, -2))
        if v.ndim > 1
        else v
        for name, v in state.items()
    }
    assert_same(vgg16_features(arrays), nest(wanted))


def test_vgg16_of_torchvision_gets_inputs_as_in_its_training():
    """Its first layer expects RGB in 0..1 over the standard deviation, ours BGR in 0..255: the features are equal."""
    state = small_vgg()
    theirs = {f"features.{PLACES[n]}.{kind}": state[f"{n}.{kind}"] for n in PLACES for kind in ("weight", "bias")}
    theirs |= {"classifier.0.weight": normal(3, 4), "classifier.0.bias": normal(3)}
    images = RANDOM.uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)
    ours = features(vgg16_features(theirs), images)

    # The same network with an untouched first layer gets (BGR + 1) * 127.5 of what makes this RGB / deviation.
    scaled = (images + 1) / 2 / np.array(IMAGENET_STD, np.float32)
    reference = features(vgg16_features(state), (scaled / 127.5 - 1)[..., ::-1])
    assert float(np.abs(reference).max()) > 0.1
    np.testing.assert_allclose(ours, reference, rtol=2e-4, atol=2e-5)


def test_real_vgg16(shared):
    from drujax.weights.formats.readers import read_checkpoint

    state = read_checkpoint(shared / "weights/backbones/vgg16_imagenet_caffe_conv_fp16.npz")
    variables = vgg16_features(state)
    assert list(variables["params"])[-1] == "conv5_1"
    np.testing.assert_array_equal(variables["params"]["conv3_2"]["kernel"], state["conv3_2/kernel"].astype(np.float32))
    seen = np.asarray(VGG16Features().apply(variables, jnp.zeros((1, 32, 32, 3))))
    assert seen.shape == (1, 4, 4, 512)
    assert np.isfinite(seen).all()
    assert seen.max() > 1


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"layer1.0.conv1.weight": np.zeros((64, 3, 7, 7))},
            "not a VGG16 checkpoint: its first array is 'layer1.0.conv1.weight'",
        ),
        ({}, "not a VGG16 checkpoint: its first array is None"),
        ({"conv1_1.weight": np.zeros(3)}, "not a VGG16 checkpoint"),
        ({"features.0.weight": np.zeros((4, 3, 3, 3)), "features.0.bias": np.zeros(4)}, "missing 20 arrays"),
    ],
)
def test_other_checkpoints_are_refused_as_vgg16(state, message):
    with pytest.raises(UsageError, match=message):
        vgg16_features(state)

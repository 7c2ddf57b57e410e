"""Exported networks compute what drujax's own do."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

from drujax import cli
from drujax.enhance.composition import gains
from drujax.enhance.export import network as onnx_networks
from drujax.enhance.export.onnx_file import onnx_model
from drujax.enhance.loading import load_model
from drujax.errors import UsageError
from drujax.methods.registry import find_network
from drujax.weights.safetensors_io import load_weights
from drujax.weights.torch_names import flatten
from tests.support.random_network import random_network
from tests.support.tiny_model import save_tiny_model

RANDOM = np.random.default_rng(5)
NETWORKS = [
    ("enlightengan", {"width": 2}),
    ("enlightengan", {"width": 2, "align_corners": True}),
    ("sci", {}),
    ("ruas", {}),
    ("ruas", {"denoise": False, "illumination": "skip,conv1x1,conv3x3,dilconv3x3,resconv1x1,resconv3x3,resdilconv3x3"}),
    ("clip_lit", {}),
    ("clip_lit", {"padding": "zeros", "epsilon": 1e-9}),
    ("zero_dce_pp", {"features": 4}),
    ("zero_dce_pp", {"features": 4, "ratio": 1}),
    ("zero_dce_pp", {"features": 4, "ratio": 5, "crop": True}),
    ("zero_dce", {"features": 4}),
    ("pairlie", {"features": 4}),
    ("pairlie", {"features": 4, "exponent": 0.14}),
    ("zero_ig", {"features": 4, "denoise_features": 6}),
    ("zero_ig", {"features": 4, "denoise_features": 6, "denoise": False}),
]
IDS = [" ".join([name, *(f"{option}={value}" for option, value in options.items())]) for name, options in NETWORKS]


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image.transpose(0, 3, 1, 2)})


def image(*shape):
    return RANDOM.uniform(0, 1, (*shape, 3)).astype(np.float32)


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=IDS)
def test_onnx_agrees_with_jax_at_any_size(name, options):
    network, module, variables = random_network(name, options)
    model = onnx_model(variables, {"network": name, "options": options})
    onnx.checker.check_model(model, full_check=True)
    enhance = jax.jit(network.enhance, static_argnums=0)
    tiny = (1, 5, 3) if name == "clip_lit" else (1, 5, 1)
    for shape in ((2, 17, 26), tiny):  # of no multiple, and smaller than the padding
        x = image(*shape)
        expected = np.asarray(enhance(module, variables, x))
        (enhanced,) = run(model, x)
        np.testing.assert_allclose(enhanced.transpose(0, 2, 3, 1), expected, atol=1e-4)
        assert np.abs(expected - x[:, : expected.shape[1], : expected.shape[2]]).max() > 0.05


@pytest.mark.parametrize("name", ["enlightengan", "clip_lit"])
def test_half_precision(name):
    options = {"width": 2} if name == "enlightengan" else {}
    _, _, variables = random_network(name, options)
    metadata, x = {"network": name, "options": options}, image(1, 20, 24)
    model = onnx_model(variables, metadata, half=True)
    kinds = {entry.data_type for entry in model.graph.initializer if len(entry.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    (whole,), (half,) = run(onnx_model(variables, metadata), x), run(model, x)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - whole).max() < 5e-3


def test_weights_that_exceed_half_precision_are_refused():
    _, _, variables = random_network("sci", {})
    flatten(variables)["params/enhance/in_conv.0/kernel"][0, 0, 0, 0] = 1e6
    with np.errstate(over="ignore"), pytest.raises(UsageError, match="half: values of the weights exceed float16"):
        onnx_model(variables, {"network": "sci"}, half=True)


def test_gains_agree_with_jax(model):
    loaded = load_model(model)
    exported = onnx_model(loaded.variables, loaded.metadata, program="gains")
    onnx.checker.check_model(exported, full_check=True)
    margin = loaded.network.margin

    @jax.jit
    def expect(x):
        padded = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
        y = loaded.network.enhance(loaded.module, loaded.variables, padded)
        return gains(x, y[:, margin:-margin, margin:-margin])

    for shape in ((40, 70), (70, 18)):
        x = image(1, *shape) ** 2 / 2
        *found, finite = run(exported, x)
        assert finite
        for one, other in zip(found, expect(x), strict=True):
            assert np.abs(other).max() > 0.01
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_metadata_say_how_to_use_the_model(tmp_path):
    variables, metadata = load_weights(save_tiny_model(tmp_path))
    model = onnx_model(variables, {**metadata, "licence": "CC0-1.0"})
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert texts["licence"] == "CC0-1.0"
    assert json.loads(texts["options"])["width"] == 2
    assert {"input", "outputs", "drujax_version", "margin", "program"} <= texts.keys()
    assert "RGB" in texts["input"]
    assert model.opset_import[0].version == 18
    assert [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [
        "n",
        3,
        "height",
        "width",
    ]
    assert not [node for node in model.graph.node if node.op_type == "BatchNormalization"]


@pytest.mark.parametrize("name", onnx_networks.NAMES)
def test_the_table_agrees_with_the_methods(name):
    network, exported = find_network(name), onnx_networks.find(name)
    for attribute in ("size_multiple", "margin", "guided"):
        assert getattr(exported, attribute) == getattr(network, attribute)
    assert exported.options.items() <= network.options.items()


def test_what_cannot_be_exported_is_named():
    with pytest.raises(UsageError, match=r"^model: resnet cannot be exported to ONNX \(only .* can\); JAX runs it$"):
        onnx_networks.find("resnet")
    with pytest.raises(UsageError, match="model: curve is not exported: its curve is solved for each picture; drujax"):
        onnx_networks.find("curve")
    _, _, variables = random_network("enlightengan", {"width": 2})
    with pytest.raises(UsageError, match="option wide_pool: cannot be exported"):
        onnx_model(variables, {"network": "enlightengan", "options": {"width": 2, "wide_pool": True}})


def test_the_command_writes_onnx(command, model, tmp_path, capsys):
    path = tmp_path / "tiny.onnx"
    assert cli.main(["export", f"--model={model}", "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ONNX opset 18, ")
    loaded, x = load_model(model), image(1, 16, 16)
    (enhanced,) = run(onnx.load(path), x)
    expected = loaded.network.enhance(loaded.module, loaded.variables, jnp.asarray(x))
    np.testing.assert_allclose(enhanced.transpose(0, 2, 3, 1), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "model.pt"], "-o: must end in one of .onnx, .jaxexport, .stablehlo, got model.pt"),
        (["-o", "a.jaxexport", "--half"], "--half: of .onnx files only, got a.jaxexport"),
        (["-o", "missing/a.onnx"], "-o: folder not found: missing"),
        (["-o", "a.onnx", "--model=curve"], "model: curve is not exported: its curve is solved for each picture"),
        (["-o", "a.onnx", "--model=colie"], "model: colie is not exported: its network is fitted to each picture"),
    ],
)
def test_mistakes_are_one_line(command, arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "step"),
    [
        ("enlightengan", {"width": 2, "align_corners": True}, 16),
        ("clip_lit", {}, 16),
        ("zero_dce_pp", {}, 48),
        ("zero_dce", {"features": 4}, 16),
        ("pairlie", {"features": 4}, 16),
        ("zero_ig", {"features": 4, "denoise_features": 4}, 16),
    ],
)
def test_jax_export_has_open_sizes(name, options, step):
    from drujax.enhance.export.jax_file import exported_network
    from drujax.enhance.loading import build_model

    network, module, variables = random_network(name, options)
    exported = exported_network(build_model(variables, {"network": name, "options": options}))
    loaded = export.deserialize(exported.serialize())
    for shape in ((2, step, 2 * step), (1, 2 * step, step)):
        x = image(*shape)
        expected = jax.jit(network.enhance, static_argnums=0)(module, variables, x)
        np.testing.assert_allclose(loaded.call(x), expected, atol=1e-4)


def test_the_command_writes_artefacts_of_jax(command, model, tmp_path):
    for suffix in ("jaxexport", "stablehlo"):
        assert cli.main(["export", f"--model={model}", "-o", str(tmp_path / f"tiny.{suffix}")]) == 0
    loaded = export.deserialize(bytearray((tmp_path / "tiny.jaxexport").read_bytes()))
    assert loaded.platforms == ("cpu", "cuda", "tpu")
    assert str(loaded.in_avals[0]) == "float32[n,16*h,16*w,3]"
    assert (tmp_path / "tiny.stablehlo").read_bytes().startswith(b"ML\xefR")  # MLIR bytecode


def test_a_network_that_needs_known_sizes_is_named():
    from drujax.enhance.export.jax_file import exported_network

    with pytest.raises(UsageError, match="curve: cannot be exported for any size"):
        exported_network(load_model("curve"))

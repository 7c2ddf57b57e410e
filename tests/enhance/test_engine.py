"""The runtimes give the same pictures, and those other than JAX do not import it."""

import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from drujax import cli
from drujax.enhance import engine
from drujax.enhance.enhancer import Enhancer
from drujax.errors import UsageError
from drujax.weights import safetensors_io

RANDOM = np.random.default_rng(6)
RUNTIMES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=[
            pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed"),
            pytest.mark.filterwarnings("ignore:os.fork"),  # its telemetry starts a process when it is imported
        ],
    ),
]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("guided", [True, False])
def test_runtimes_agree(model, runtime, guided):
    ours, others = (Enhancer(model, guided=guided, runtime=name) for name in ("jax", runtime))
    for shape in ((30, 41, 3), (2, 9, 6, 3)):
        rgb = RANDOM.integers(0, 90, shape, dtype=np.uint8)
        expected, found = ours(rgb, 1.0), others(rgb, 1.0)
        assert np.abs(expected.astype(int) - rgb).max() > 10
        assert np.abs(expected.astype(int) - found).max() <= 1
    deep = RANDOM.uniform(0, 0.4, (12, 20, 3)).astype(np.float32)
    np.testing.assert_allclose(others(deep), ours(deep), atol=1e-4)
    np.testing.assert_allclose(others(deep, exposure=80.0), ours(deep, exposure=80.0), atol=2e-3)
    assert np.array_equal(pickle.loads(pickle.dumps(others))(deep), others(deep))


def test_rounding_down_is_the_same(model):
    rgb = RANDOM.integers(0, 60, (8, 8, 3), dtype=np.uint16)
    results = [
        Enhancer(model, guided=False, rounding="floor", runtime=name)(rgb, 1.0) for name in ("jax", "onnxruntime")
    ]
    assert np.abs(np.subtract(*[x.astype(int) for x in results])).max() <= 7  # 1e-4 of 65535


@pytest.mark.parametrize("guided", [True, False])
def test_nan_is_never_returned(tmp_path, model, guided):
    variables, metadata = safetensors_io.load_weights(model)
    variables["params"]["conv10"]["bias"][1] = np.inf
    safetensors_io.save_weights(tmp_path / "broken.safetensors", variables, metadata)
    broken = Enhancer(tmp_path / "broken.safetensors", guided=guided, runtime="onnxruntime")
    with pytest.raises(UsageError, match="the model's output contains NaN or infinity"):
        broken(np.full((4, 4, 3), 20, np.uint8))


def test_onnxruntime_needs_no_jax(model, tmp_path):
    Image.fromarray(RANDOM.integers(0, 60, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "night.png")
    code = (
        "import sys\nfrom drujax.cli import main\n"
        f"code = main(['enhance', 'night.png', '--model={model}', '--runtime=onnxruntime', '--strength=1'])\n"
        "print(code, [name for name in ('jax', 'flax', 'optax', 'scipy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "0 []", ran.stderr
    assert (tmp_path / "night_enhanced.png").exists()


def test_unknown_and_missing_runtimes_are_named(model, monkeypatch):
    with pytest.raises(UsageError, match="runtime: unknown value 'onxruntime'. Did you mean"):
        engine.chosen("onxruntime")
    monkeypatch.setattr(engine, "_installed", lambda package: False)
    message = r"^runtime: openvino needs the package onnx, .* pip install 'drujax\[openvino\]' adds it$"
    with pytest.raises(UsageError, match=message):
        Enhancer(model, runtime="openvino")


@pytest.mark.parametrize(
    ("model", "missing", "platforms", "chosen"),
    [
        ("exposure-slim", "jax_plugins", "", "onnxruntime"),
        ("exposure-slim", "onnxruntime", "", "jax"),
        ("exposure-slim", "jax_plugins", "cpu", "onnxruntime"),
        ("exposure-slim", "jax_plugins", "cuda", "jax"),
        ("curve", "jax_plugins", "", "jax"),
    ],
)
def test_auto_is_the_fastest_that_is_installed(monkeypatch, model, missing, platforms, chosen):
    monkeypatch.setattr(engine, "_installed", lambda package: package not in (missing, "libtpu"))
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert engine._automatic(model) == chosen


def test_auto_leaves_accelerators_to_jax(monkeypatch):
    monkeypatch.setattr(engine, "_installed", lambda package: True)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert engine._automatic("exposure-slim") == "jax"


def test_a_network_without_onnx_is_refused():
    with pytest.raises(
        UsageError, match="^model: curve is not exported: .*; drujax enhance runs it with --runtime=jax$"
    ):
        Enhancer("curve", runtime="onnxruntime")


def test_a_device_that_a_runtime_does_not_use_is_refused(command, capsys):
    assert cli.main(["enhance", "x.png", "--runtime=onnxruntime", "--device=gpu"]) == 2
    assert "--runtime: onnxruntime computes on the CPU; --device=gpu needs jax" in capsys.readouterr().err

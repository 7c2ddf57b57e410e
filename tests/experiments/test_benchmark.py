"""Every benchmark runs on tiny shapes and prints the documented values. No measurement is asserted."""

import importlib.util
import itertools
import json
import math

import jax
import numpy as np
import pytest

from drujax.console import command_line
from drujax.runtime import mesh as meshes
from drujax.runtime import parallel
from drujax.training.step import create
from experiments import benchmark
from experiments._benchmark import common

TRAIN = ["train", "--batch-size=4", "--size=48", "--gan.patches=1", "--gan.width=2", "--gan.discriminator-features=2"]
TINY_CLIP = ["--clip-lit.clip=tiny", "--clip-lit.resnet=tiny"]
ENHANCE = ["enhance", "--height=32", "--width=48", "--features=2"]
ROW = {
    "name", "seconds", "seconds_min", "seconds_all", "cpu_seconds", "pictures_per_s", "flops_per_s", "slower",
    "compile_seconds", "program_bytes", "peak_bytes",
}  # fmt: skip


@pytest.fixture
def result(capsys, monkeypatch):
    """Runs a benchmark and returns its JSON."""
    monkeypatch.setattr("drujax.runtime.benchmark.matmul_speed", lambda _dtype: 1e9)  # the real one takes half a second

    def run(*arguments: str):
        assert benchmark.main(benchmark.configuration([*arguments, "--rounds=2", "--format=json"])) == 0
        return json.loads(capsys.readouterr().out)

    return run


def assert_complete(result, *, pictures: int) -> None:
    assert {"platform", "device_kind", "processor", "cores", "matmul_flops_per_s"} <= set(result["machine"])
    for row in result["rows"]:
        assert set(row) == ROW
        assert len(row["seconds_all"]) == 2
        assert row["seconds_min"] == min(row["seconds_all"]) > 0
        assert math.isclose(row["pictures_per_s"] * row["seconds"], pictures)
        if result["flops"] is not None:
            assert math.isclose(row["flops_per_s"] * row["seconds"], result["flops"])
    assert result["rows"][0]["slower"] == 1


def test_train(result, monkeypatch):
    monkeypatch.setattr("drujax.models.layers.conv.select_implementation", lambda *_: "plain")  # compiles faster
    measured = result(*TRAIN, "--gan.perceptual-width=2")
    assert_complete(measured, pictures=4)
    assert measured["configuration"]["size"] == 48
    (row,) = measured["rows"]
    assert row["compile_seconds"] > 0
    assert row["program_bytes"] > 0
    assert math.isfinite(measured["loss of the first step"]["drujax"])
    assert math.isfinite(measured["loss of the last step"]["drujax"])


@pytest.mark.parametrize("method", ["zero_dce_pp", "sci", "ruas", "clip_lit"])
def test_train_a_compared_method(result, method):
    measured = result("train", f"--method={method}", "--batch-size=2", "--size=48", *TINY_CLIP * (method == "clip_lit"))
    assert_complete(measured, pictures=2)
    assert measured["loss of the last step"]["drujax"] < measured["loss of the first step"]["drujax"]


def test_enhance(result):
    measured = result(*ENHANCE)
    assert_complete(measured, pictures=1)
    # FLOPs of one convolution, the last of the first block at full size; the network has 18 more.
    assert measured["flops"] > 2 * 32 * 48 * 9 * 2 * 2


@pytest.mark.parametrize("network", ["enlightengan", "zero_dce_pp"])
def test_enhance_takes_any_size_without_a_peer(result, network):
    arguments = ("enhance", f"--network={network}", "--height=17", "--width=33", "--features=2")
    assert_complete(result(*arguments), pictures=1)


def test_data(result):
    measured = result("data", "--crop=16", "--batch-size=2", "--batches=3")
    assert_complete(measured, pictures=6)


@pytest.mark.parametrize(("stage", "worthwhile"), [("sort", 4), ("build", 4), ("build", 9)])
def test_data_of_other_stages(result, monkeypatch, stage, worthwhile):
    monkeypatch.setattr(parallel, "WORTHWHILE", worthwhile)
    arguments = ("--crop=16", "--pictures=8", "--height=20", "--width=24")
    measured = result("data", f"--stage={stage}", *arguments)
    assert_complete(measured, pictures=8)
    names = ["drujax (1 process, threads)", "drujax (2 processes)"][: 2 if worthwhile <= 8 else 1]
    assert [row["name"] for row in measured["rows"]] == [*names, *["Pillow, in a loop"] * (stage == "sort")]


def test_scenes_as_a_table_and_a_file(tmp_path, capsys):
    out = tmp_path / "scenes.json"
    arguments = ["scenes", "--height=16", "--width=24", "--scenes=2", "--rounds=2", f"--out={out}"]
    assert benchmark.main(benchmark.configuration(arguments)) == 0
    written = json.loads(out.read_text())
    assert_complete(written, pictures=2)
    assert "pictures/s" in capsys.readouterr().out


def test_missing_torch_is_reported_in_one_line(result, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert common.load_peer("torch") is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "PyTorch is not installed" in line


@pytest.mark.parametrize("name", ["torch", "pyiqa"])
def test_peers_exist(name):
    assert importlib.util.find_spec(common.peer_module(name)) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trein"], "Did you mean train?"),
        (["train", "--rounds=0"], "--rounds: must be >= 1, got 0"),
        (["train", "--size=31"], "patch_size: must be <= recipe.size (31)"),
        (["train", "--method=sci", "--size=2"], "size: must be >= 3"),
        (["scenes", "--out=no/b.json"], "--out: folder not found: no"),
        (["enhance", "--height=40", "--peer=torch"], "--height: must be a multiple of 16 with --peer, got 40"),
        (["enhance", "--network=zero_dce_pp", "--height=384", "--peer=torch"], "--width: must be a multiple of 12"),
        (["train", "--method=sci", "--gan.dtype=bfloat16"], "unknown option: --gan.dtype=bfloat16"),
        (["train", "--method=exposure"], "method: unknown value 'exposure'"),
        (["train", "--peer=tensorflow"], "torch"),
    ],
)
def test_invalid_options_are_refused_in_one_line(arguments, message, capsys):
    assert command_line.run(lambda: benchmark.main(benchmark.configuration(arguments)), "experiments.benchmark") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def peer_losses_from_starts_nearby(config):
    """PyTorch's loss after two updates from starts whose weights are moved to a neighbouring float32, again and again.

    Losses have kinks (ReLU, absolute values, clipping), and where a start lies on one, rounding decides which way the
    first update of Adam goes. From SCI's start PyTorch comes to 43.2323 or 43.2224 (2.3e-4 apart), depending on the
    layout, the order of its sums, or one unit in the last place of a weight; nothing lies between. So what is to be
    equal (to 1e-4; the same way, float32 and float64 agree within 1e-5) is one of the results that rounding admits.
    """
    from experiments._benchmark import networks, torch_peer

    training, subject = config.training, networks.SUBJECTS[config.method]
    method = subject.adapt(training.spec.build(training, training.recipe.learning_rate))
    start = jax.device_get(create(method, 0, meshes.data_mesh()))
    batch = networks.example_batch(*config.shape)
    for seed in range(8):
        random = np.random.default_rng(seed)

        def moved(weights, random=random):
            return np.nextafter(weights, random.choice(np.float32([-np.inf, np.inf]), weights.shape))

        model = start.model.replace(params=jax.tree.map(moved, start.model.params))
        peer = subject.peer(torch_peer, method, start.replace(model=model), batch, {"channels_last": False})
        yield [peer() for _ in range(3)][-1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # from PyTorch
def test_peer_computes_the_same(result, monkeypatch):
    """Compares networks, losses and, because the last loss follows two updates, optimisers."""
    pytest.importorskip("torch", reason="PyTorch is not a dependency of drujax")
    for method in ("zero_dce_pp", "sci", "ruas", "clip_lit"):
        arguments = (
            f"--method={method}",
            "--batch-size=1",
            "--size=48",
            "--peer=torch",
            *TINY_CLIP * (method == "clip_lit"),
        )
        measured = result("train", *arguments)
        ours, *theirs = measured["loss of the first step"].values()
        assert theirs == pytest.approx([ours, ours], rel=1e-4), method
        ours, *theirs = measured["loss of the last step"].values()
        others = peer_losses_from_starts_nearby(benchmark.configuration(["train", *arguments]))
        assert any(loss == pytest.approx(ours, rel=1e-4) for loss in itertools.chain(theirs, others)), method
    for network in ("zero_dce_pp", "sci", "ruas", "clip_lit"):
        measured = result("enhance", f"--network={network}", "--height=24", "--width=36", "--peer=torch")
        assert max(measured["largest difference of a value"].values()) < 1e-4, network
    monkeypatch.setattr("drujax.models.layers.conv.select_implementation", lambda *_: "plain")
    measured = result(*TRAIN, "--gan.perceptual-width=2", "--peer=torch")
    ours, *theirs = measured["loss of the first step"].values()
    assert theirs == pytest.approx([ours, ours], rel=1e-4)
    measured = result(*ENHANCE, "--peer=torch")
    assert max(measured["largest difference of a value"].values()) < 1e-5


def test_ruas_peer_removes_noise_as_drujax_does():
    """Noise removal is trained every second step; compares both optimisers."""
    pytest.importorskip("torch", reason="PyTorch is not a dependency of drujax")
    import jax

    from drujax.methods.ruas import RUAS
    from experiments._benchmark import networks, torch_peer

    method = RUAS(learning_rate=0.015, denoise_every=2)
    state = method.init(jax.random.key(1))
    batch = networks.example_batch(1, 48)
    peer = networks.SUBJECTS["ruas"].peer(torch_peer, method, state, batch, {"channels_last": False})
    step = jax.jit(method.step)
    for _ in range(6):
        state, metrics = step(state, batch, None, {})
        assert peer() == pytest.approx(float(metrics["loss"]), rel=1e-4)


def test_metrics(result):
    printed = result("metrics", "--metric=piqe", "--height=32", "--width=48", "--batch-size=2")
    (row,) = printed["rows"]
    assert set(row) == ROW
    assert row["name"] == "drujax"
    assert row["pictures_per_s"] == pytest.approx(2 / row["seconds"])
    assert printed["largest difference of a score"] == {"drujax": 0}


def test_runtimes(result, model, monkeypatch):
    monkeypatch.setattr("experiments._benchmark.runtimes.RUNTIMES", ("jax", "onnxruntime"))
    measured = result("runtimes", f"--model={model}", "--height=20", "--width=30", "--pictures=2")
    assert_complete(measured, pictures=2)
    assert [row["name"] for row in measured["rows"]] == ["jax", "onnxruntime"]
    assert measured["largest difference of a level"]["onnxruntime"] <= 1


def test_int8(result, model):
    measured = result("int8", f"--model={model}", "--calibration=1", "--scenes=1", "--height=64", "--width=64")
    assert_complete(measured, pictures=1)
    assert 20 < measured["PSNR to float32, dB"]["int8"] < math.inf  # quantised, and still the same picture


@pytest.mark.slow
def test_start(result, model, monkeypatch):
    monkeypatch.setattr("experiments._benchmark.runtimes.RUNTIMES", ("onnxruntime",))
    measured = result("start", f"--model={model}", "--height=20", "--width=30")
    assert_complete(measured, pictures=1)
    assert measured["peak MB of the command"]["onnxruntime"] > 20

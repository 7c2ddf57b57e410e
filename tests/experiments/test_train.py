import json
import os
import signal
import socket
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from drujax.data.dataset import Dataset
from drujax.enhance.enhancer import Enhancer
from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES
from drujax.pictures.io import read_picture
from drujax.training.schedule import run_length
from drujax.weights.safetensors_io import load_weights, save_weights
from drujax.weights.torch_names import flatten
from experiments import train
from experiments._train.folder import default_workdir
from experiments._train.summary import run_summary
from tests.support import devices
from tests.support.killed import Point, run_until

DEBUG = ["--preset=debug", "--backbone=mobilenet_v2"]
STEPS = 4
# Testing all methods with weighted losses would take longer.
COMPARED = {
    "zero_dce_pp": "none",
    "zero_dce": "none",
    "sci": "mobilenet_v2",
    "ruas": "none",
    "clip_lit": "none",
    "pairlie": "mobilenet_v2",
}


def run(workdir: Path, *arguments: str, **hooks) -> int:
    return train.run([*DEBUG, f"--workdir={workdir}", *arguments], **hooks)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run of four steps."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    assert run(workdir) == 0
    return workdir


def weights(workdir):
    variables, metadata = load_weights(workdir / "weights.safetensors")
    return flatten(variables), metadata


def test_a_run_writes_all_documented_files(finished):
    probability = json.loads((finished / "probability.json").read_text())
    assert {"accuracy", "expected_calibration_error", "rp_dark", "rp_bright"} <= probability.keys()
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(0 < row["rp_dark"] < 1 for row in rows)
    assert [path.name for path in sorted((finished / "samples").iterdir())] == ["0000002.png", "0000004.png"]
    before_after = read_picture(finished / "enhanced.png").rgb
    assert before_after.shape == (6 * 196, 2 * 196, 3)
    assert before_after[:, 196:392].mean() != before_after[:, :196].mean()
    _, metadata = weights(finished)
    assert metadata["network"] == "enlightengan"
    assert metadata["steps"] == STEPS
    assert metadata["backbone"] == "mobilenet_v2"
    assert metadata["training_data"].startswith("40 synthetic scenes")


def test_the_run_folder_is_accepted_as_model(finished):
    dark = np.full((20, 30, 3), 40, np.uint8)
    assert Enhancer(finished)(dark).shape == dark.shape


def test_resumed_run_equals_the_uninterrupted_one(finished, tmp_path, capsys):
    """Bit for bit, after being stopped by the signal that a cluster sends."""
    assert run(tmp_path / "parts", on_step=stop_at_2) == 128 + signal.SIGTERM
    assert "stopped at step 2 by SIGTERM; its state is saved; run the same command to resume" in capsys.readouterr().err
    assert run(tmp_path / "parts") == 0
    whole, parts = weights(finished)[0], weights(tmp_path / "parts")[0]
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)


def test_a_control_takes_the_probabilities_of_another_run(finished, tmp_path, capsys):
    """Of the weights, each image has the mean of its class; the network is not trained again."""
    tables = finished / "relativistic_probabilities.npz"
    control = [f"--data={finished / 'dataset'}", f"--probabilities={tables}", "--weighting=mean"]
    assert run(tmp_path / "control", *control) == 0
    assert "probability network:" not in capsys.readouterr().out
    assert not (tmp_path / "control" / "probability.json").exists()
    rows = [json.loads(line) for line in (tmp_path / "control" / "metrics.jsonl").read_text().splitlines()]
    with np.load(tables) as stored:
        np.testing.assert_allclose([row["rp_dark"] for row in rows], stored["dark"].mean(), rtol=1e-5)
    assert weights(tmp_path / "control")[1]["weighting"] == "mean"
    assert "weighting" not in weights(finished)[1]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "backbone"), [*COMPARED.items()])
def test_compared_methods_train_and_resume(method, backbone, finished, tmp_path):
    """Bit for bit, after being stopped halfway by the signal that a cluster sends."""
    command = [f"--method={method}", f"--data={finished / 'dataset'}"]
    command += [] if backbone == "none" else ["--dru", f"--backbone={backbone}"]
    assert run(tmp_path / "whole", *command) == 0
    assert run(tmp_path / "parts", *command, on_step=stop_at_2) == 128 + signal.SIGTERM
    assert run(tmp_path / "parts", *command) == 0
    whole, metadata = weights(tmp_path / "whole")
    parts, _ = weights(tmp_path / "parts")
    start = f"--init={tmp_path / 'whole' / 'weights.safetensors'}"
    if method == "sci":  # whose weights leave out what only training uses
        assert run(tmp_path / "more", *command, start, "--recipe.steps=1") == 0
    assert metadata["network"] == method
    assert metadata["backbone"] == backbone
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)
    dark = np.full((20, 30, 3), 40, np.uint8)
    assert Enhancer(tmp_path / "whole")(dark).shape == dark.shape


def stop_at_2(step):
    if step == 2:
        os.kill(os.getpid(), signal.SIGTERM)


def test_compared_methods_are_not_weighted_by_default(tmp_path):
    config = train.configuration(["--preset=debug", "--method=sci", f"--workdir={tmp_path}"])
    assert config.uncertainty == "none"
    assert default_workdir(config) == Path("runs/sci-none-debug")
    with pytest.raises(UsageError, match="--dru: needs a probability network"):
        train.configuration(["--method=sci", "--dru", "--backbone=none"])
    with pytest.raises(UsageError, match="method: unknown value 'sic'. Did you mean sci"):
        train.configuration(["--method=sic"])


@pytest.mark.multiprocess
@pytest.mark.slow
def test_two_processes_paint_and_train_together(tmp_path):
    """Runs the command itself over loopback; the losses equal those of one process."""
    arguments = ["--preset=debug", "--method=zero_dce_pp"]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    together = [*arguments, f"--workdir={tmp_path / 'two'}", f"--coordinator=localhost:{port}", "--processes=2"]
    processes = [devices.start(1, train.__file__, *together, f"--process-index={index}") for index in range(2)]
    devices.finish(*processes)
    assert train.main(train.configuration([*arguments, f"--workdir={tmp_path / 'one'}"])) == 0
    files = (tmp_path / run / "metrics.jsonl" for run in ("two", "one"))
    two, one = ([json.loads(line) for line in path.read_text().splitlines()] for path in files)
    assert len(two) == len(one) == STEPS
    for ours, theirs in zip(two, one, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
    assert weights(tmp_path / "two")[1]["steps"] == STEPS


def test_changed_configuration_is_refused(finished):
    with pytest.raises(UsageError, match=r"recipe.learning_rate: 0.0001 -> 0.1"):
        run(finished, "--recipe.learning-rate=0.1")


def test_vanilla_from_other_weights(finished, tmp_path):
    arguments = ["--backbone=none", f"--init={finished / 'weights.safetensors'}", "--recipe.steps=1"]
    assert run(tmp_path / "vanilla", *arguments) == 0
    assert not (tmp_path / "vanilla" / "probability.json").exists()
    before, after = weights(finished)[0], weights(tmp_path / "vanilla")[0]
    name = "params/conv5_1/kernel"
    assert 0 < np.abs(before[name] - after[name]).max() < 1e-3  # one step of Adam at 1e-4


def test_exposure_warm_start(tmp_path):
    assert run(tmp_path / "start", "--method=exposure", "--backbone=none", "--recipe.steps=2") == 0
    assert weights(tmp_path / "start")[1]["method"] == "exposure"


def test_init_of_another_width_is_refused(finished, tmp_path):
    with pytest.raises(UsageError, match=r"--init: .* holds another network"):
        run(tmp_path / "a", f"--init={finished / 'weights.safetensors'}", "--gan.width=8", "--backbone=none")


def test_mistakes(tmp_path):
    for flag in ("--gan.painted", "--gan.variants-per-step"):
        with pytest.raises(UsageError, match=f"{flag}: without reconstruction no such scene is used"):
            run(tmp_path / "b", f"{flag}=3", f"--data={tmp_path}")
    with pytest.raises(UsageError, match="--gan.frozen-batch-norm: without init"):
        run(tmp_path / "b", "--gan.frozen-batch-norm")
    assert not (tmp_path / "b").exists()
    with pytest.raises(UsageError, match="no dataset; create one: python -m"):
        run(tmp_path / "a", f"--data={tmp_path}")
    with pytest.raises(UsageError, match="--preset: unknown value 'debgu'. Did you mean debug?"):
        train.configuration(["--preset=debgu"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe.steps=0"], "--recipe.steps: must be >= 1, got 0"),
        (
            ["--recipe.constant-epochs=0", "--recipe.decay-epochs=0"],
            "--recipe.constant-epochs: must be >= 1",
        ),
        (["--recipe.learning-rate=nan"], "--recipe.learning-rate: must be positive and finite, got nan"),
        (["--recipe.ema-decay=2"], "--recipe.ema-decay: must be between 0 and 1, got 2.0"),
        (["--loop.log-every=0"], "--loop.log-every: must be >= 1, got 0"),
        (["--method=ruas", "--ruas.denoise-every=0"], "--ruas.denoise-every: must be >= 1, got 0"),
        (["--method=ruas", "--ruas.denoiser=none.pt"], "--ruas.denoiser: file not found: none.pt"),
        (["--method=ruas", "--ruas.architecture=none"], "--ruas.architecture: .*none"),
        (["--method=ruas_search", "--recipe.batch-size=3"], "--recipe.batch-size: must be even"),
        (
            ["--method=pairlie", "--pairlie.max-darkening=1"],
            "--pairlie.max-darkening: must be > 1 and finite, got 1",
        ),
        (
            ["--method=zero_dce_pp", "--recipe.size=8"],
            "--recipe.size: must be >= 16 .*, got 8",
        ),
        (["--method=clip_lit", "--clip-lit.refinement-steps=0"], "--clip-lit.refinement-steps: must be >= 1, got 0"),
        (["--method=clip_lit", "--clip-lit.clip=opnai"], "--clip-lit.clip: unknown value 'opnai'. Did you mean openai"),
        (["--backbone=none", "--gan.perceptual=imagnet"], "--gan.perceptual: unknown value .* Did you mean imagenet"),
        (["--init=none.safetensors"], "--init: file not found: none.safetensors"),
        (["--backbone=none", "--weighting=mean"], "--weighting: mean has no effect without relativistic probabilities"),
        (["--backbone=none", "--probabilities=a.npz"], "--probabilities: have no effect on Vanilla"),
        (["--probabilities=none.npz"], "--probabilities: file not found: none.npz"),
    ],
)
def test_mistakes_are_reported_before_the_long_work(arguments, message, finished, tmp_path):
    with pytest.raises(UsageError, match=message):
        run(tmp_path / "a", f"--data={finished / 'dataset'}", *arguments)
    assert not (tmp_path / "a" / "probability.json").exists()


def test_an_epoch_counts_the_images_of_the_method():
    dataset = mock.Mock(spec=Dataset, train_dark=range(10), train_bright=range(1000))

    def steps(method):
        config = train.configuration(["--data=D", "--preset=paper", f"--method={method}"])
        return run_length(config.recipe, config.spec.epoch, dataset)

    assert steps("sci") == (10_000, 10)
    assert steps("pairlie") == (4_000, 10)
    assert steps("zero_dce_pp") == (100 * 127, 127)  # of eight pictures
    assert steps("enlightengan") == (200 * 32, 32)


def test_weights_keep_the_licence_of_initial_weights(finished, tmp_path):
    variables, metadata = load_weights(finished / "weights.safetensors")
    save_weights(tmp_path / "theirs.safetensors", variables, {**metadata, "licence": "CC-BY-NC-4.0"})
    arguments = [f"--init={tmp_path / 'theirs.safetensors'}", "--backbone=none", "--recipe.steps=1"]
    assert run(tmp_path / "run", f"--data={finished / 'dataset'}", *arguments) == 0
    made = weights(tmp_path / "run")[1]
    assert (made["licence"], made["started_from"]) == ("CC-BY-NC-4.0", {"init": "theirs.safetensors"})
    assert metadata["licence"] == "Apache-2.0"


def test_pictures_smaller_than_the_crop_are_reported_before_the_long_work(finished, tmp_path):
    with pytest.raises(UsageError, match="size: crops of 64 do not fit into"):
        run(tmp_path / "a", f"--data={finished / 'dataset'}", "--recipe.size=64")
    assert not (tmp_path / "a" / "probability.json").exists()


def test_defaults_without_data_are_the_embedded_ones():
    assert train.configuration([]).preset == "embedded"
    assert train.configuration([]).pretrained == "none"
    paper = train.configuration(["--data=D"])
    assert (paper.recipe.batch_size, paper.recipe.size) == (32, 320)
    assert (paper.probability.epochs, paper.pretrained) == (80, "imagenet")


def test_the_embedded_preset_starts_from_weights_that_ship(capsys):
    config = train.configuration([])
    assert config.init == Path("exposure-slim")
    assert config.init_files["init"].is_file()
    assert "starting from exposure-slim" in run_summary(config)


@pytest.mark.parametrize("backbone", [*BACKBONES, "centroid", "none"])
def test_all_backbones_can_be_chosen(backbone):
    assert train.configuration([f"--backbone={backbone}"]).backbone == backbone


def test_an_unknown_backbone_gets_the_nearest_name():
    with pytest.raises(UsageError, match="--backbone: unknown value 'resnet81'. Did you mean resnet18?"):
        train.configuration(["--backbone=resnet81"])


def test_options_of_another_method_are_refused():
    with pytest.raises(UsageError, match="--gan.width=64. It is an option of --method=enlightengan, --method=exposure"):
        train.configuration(["--method=sci", "--gan.width=64"])


def test_help_shows_only_the_options_of_the_method(capsys):
    with pytest.raises(SystemExit):
        train.configuration(["--method=ruas", "--help"])
    shown = capsys.readouterr().out
    assert "--ruas.denoise-every" in shown
    assert "--gan." not in shown
    assert "--clip-lit." not in shown


def test_another_dataset_or_init_file_at_the_same_path_is_refused(finished, tmp_path):
    start = tmp_path / "start.safetensors"
    start.write_bytes((finished / "weights.safetensors").read_bytes())
    arguments = ["--backbone=none", f"--init={start}", "--recipe.steps=1", f"--data={finished / 'dataset'}"]
    assert run(tmp_path / "run", *arguments) == 0
    variables, metadata = load_weights(start)
    save_weights(start, variables, {**metadata, "seed": 7})
    with pytest.raises(UsageError, match="the content of init has changed"):
        run(tmp_path / "run", *arguments)


@pytest.mark.slow
def test_a_run_killed_while_writing_resumes_without_loss(finished, tmp_path):
    """Repeated SIGKILL leaves no partial file, and the final weights are the same."""
    workdir = tmp_path / "killed"
    for point in (
        Point("os:replace", "relativistic_probabilities.npz"),  # the probability network is trained
        Point("os:rename", "2.orbax-checkpoint-tmp", call=2),  # the first checkpoint is written, under another name
        Point("drujax.training.checkpoint:Checkpoints.save"),  # again at step 2, from the start
        Point("os:replace", "weights.safetensors"),  # all is done but the last file
    ):
        run_until(point, "experiments.train", *DEBUG, f"--workdir={workdir}")
        for path in workdir.rglob("*.json"):
            json.loads(path.read_text())
        assert not (workdir / "weights.safetensors").exists()
    for path in workdir.rglob("*.tmp"):  # what a process that may still be alive writes is left alone
        os.utime(path, (0, 0))
    assert run(workdir) == 0
    assert not list(workdir.rglob("*.tmp"))
    assert all(np.array_equal(a, weights(workdir)[0][name]) for name, a in weights(finished)[0].items())

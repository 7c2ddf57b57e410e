"""`experiments.calibration`, from painted scenes to the table, with a tiny backbone."""

import csv

import numpy as np
import pytest

from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.scenes import LIGHT_KINDS
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from drujax.uncertainty.confident_set import confident_examples
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.network_io import save_network
from drujax.uncertainty.probability import train_probability_network
from experiments import calibration
from experiments._calibration import networks, pictures
from experiments._calibration.networks import Pictures
from tests.support.tiny_backbone import tiny_backbone

SMALL = ["--probability.resolution=16", "--probability.epochs=20", "--scenes=2", "--levels=3", "--seeds=2"]
RECIPE = ProbabilityRecipe(epochs=20, balanced=True, freeze_features=True, resolution=16)

pytestmark = pytest.mark.usefixtures("command", "tiny")


@pytest.fixture(scope="module")
def tiny():
    with tiny_backbone() as name:
        yield name


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Scenes of all three QAB classes; those that are uncertain are labelled alternately."""
    folder = tmp_path_factory.mktemp("calibration") / "P"

    def label(confident, labels, groups, uncertain):
        return np.tile([[0.9, 0.1], [0.2, 0.8]], (len(uncertain), 1))[: len(uncertain)].astype(np.float32)

    prepare(Scenes(60, (32, 48)), folder, labels="classifier", label_uncertain=label, crop=32, quiet=True)
    return folder


@pytest.fixture(scope="module")
def given(data) -> Pictures:
    dataset = Dataset.open(data)
    return Pictures(dataset, pictures.training_pictures(dataset), pictures.ladders(dataset, 2, 3))


@pytest.fixture(scope="module")
def trained(tiny, given):
    """The head that the library trains on fixed features."""
    return train_probability_network(confident_examples(given.dataset), tiny, "none", RECIPE, log=lambda line: None)


def run(data, out, *arguments) -> int:
    return calibration.run([f"--data={data}", f"--out={out}", *SMALL, *arguments])


@pytest.mark.slow
def test_the_table_of_a_backbone_and_a_network_of_a_run(data, tiny, given, trained, tmp_path, capsys):
    save_network(tmp_path / "probability.safetensors", trained)
    out = tmp_path / "out"
    command = [
        *("--backbones", "tiny", "--weights", "tiny=none"),
        *("--networks", f"Mine={tmp_path / 'probability.safetensors'}"),
    ]
    assert run(data, out, *command) == 0
    assert "tiny: features of" in capsys.readouterr().out
    with (out / "calibration.csv").open() as file:
        rows = {row["network"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["tiny, plain", "tiny, temperature", "tiny, mixup", "tiny, centroid", "Mine", "luma"]
    assert all(float(rows[name]["accuracy"]) > 0.9 for name in ("luma", "tiny, centroid"))  # brightness separates them
    assert float(rows["luma"]["order_kind"]) > 0.95  # luma rises with the level of a light
    assert rows["luma"]["rho_given_luma"] == ""
    assert float(rows["tiny, centroid"]["uncertain_brier"]) <= 1
    with (out / "pictures.csv").open() as file:
        of_pictures = list(csv.DictReader(file))
    assert [row["id"] for row in of_pictures] == [row.id for row in given.training.rows]
    found = [float(row["Mine"]) for row in of_pictures]
    expected = trained.probabilities(given.training.split.image(index) for index in range(len(found)))
    np.testing.assert_allclose(found, expected[:, 1], atol=1e-4)
    text = (out / "calibration.md").read_text()
    assert text.count("| tiny, mixup |") == 2
    assert "Rank correlation of P(bright) between networks" in text
    assert (out / "calibration.svg").read_text().startswith("<?xml")

    files = {path.name: path.read_bytes() for path in out.glob("calibration.*")}
    assert len(files) == 4
    assert run(data, out, *command) == 0
    assert "features of" not in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in out.glob("calibration.*")} == files


def test_heads_are_those_of_the_library(tiny, given, trained):
    """A plain head on kept features says what `train_probability_network` with the same recipe says."""
    module_input = np.concatenate([np.asarray(trained.logits(given.images()))])
    job = networks.feature_job(tiny, "none", RECIPE.resolution, given)
    features = _made(job)
    of = networks.heads(tiny, "none", features, given, RECIPE, ("plain", "centroid"))
    margins = np.concatenate([of["plain"].training, of["plain"].ladders])
    np.testing.assert_allclose(margins, module_input[:, 1] - module_input[:, 0], atol=2e-4)
    confident = of["plain"].held_out
    assert 0 < confident.sum() < sum(trained.report["held_out_pictures"].values())


def _made(job):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        job.make(Path(folder))
        return np.load(Path(folder) / networks.OUTPUTS)


def test_pictures_and_their_truth(given):
    training, ladders = given.training, given.ladders
    assert training.confident == sum(row.partition != "uncertain" for row in training.rows)
    assert set(training.classes) == {0, 1}
    dark, bright = (training.illumination[training.partition(name)] for name in ("dark", "bright"))
    assert dark.mean() < training.boundary < bright.mean()
    assert len(ladders) == 2 * len(LIGHT_KINDS) * 3 == len(list(ladders.images()))
    light = ladders.illumination.reshape(2, len(LIGHT_KINDS), 3)
    assert np.all(np.diff(light, axis=-1) > 0)


def test_a_backbone_without_weights_is_a_dash_with_its_reason(data, tmp_path):
    assert run(data, tmp_path, "--backbones", "tiny") == 1
    text = (tmp_path / "calibration.md").read_text()
    assert "| tiny | – |" in text
    assert "No result for tiny: pretrained: tiny has no published ImageNet weights" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbones", "resnet8"], "--backbones: unknown value 'resnet8'. Did you mean resnet18"),
        (["--backbones", "tiny", "tiny"], "--backbones: tiny, tiny: each once"),
        (["--variants", "mixupp"], "--variants: unknown value 'mixupp'. Did you mean mixup"),
        (["--weights", "resnet18"], "--weights: 'resnet18' is not NAME=VALUE"),
        (["--weights", "vgg19=x"], "--weights: unknown value 'vgg19'"),
        (["--weights", "resnet18=gone.npz"], "--weights: file not found: gone.npz"),
        (["--networks", "Mine=gone"], "--networks: file not found: gone"),
        (["--seeds=0"], "--seeds: must be >= 1, got 0"),
        (["--levels=1"], "--levels: must be >= 2, got 1"),
        (["--probability.no-freeze-features"], "--probability.freeze-features: only heads are trained here"),
        (["--probability.held-out=0"], "--probability.held-out: must be > 0"),
    ],
)
def test_mistakes(data, tmp_path, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(data, tmp_path, *arguments)


def test_a_network_of_another_dataset_is_refused(data, tiny, tmp_path, given):
    examples = list(confident_examples(given.dataset))[:-5]
    network = train_probability_network(examples, tiny, "none", RECIPE, log=lambda line: None)
    save_network(tmp_path / "other.safetensors", network)
    with pytest.raises(UsageError, match="--networks: .*other.safetensors was not trained on"):
        run(
            data,
            tmp_path,
            "--backbones",
            "tiny",
            "--weights",
            "tiny=none",
            "--networks",
            f"M={tmp_path / 'other.safetensors'}",
        )


def test_other_pictures_are_refused(tmp_path):
    prepare(Scenes(40, (32, 48)), tmp_path / "D", crop=32, quiet=True)
    with pytest.raises(UsageError, match="is uncertain by QAB; experiments.prepare --labels=classifier"):
        run(tmp_path / "D", tmp_path / "out")

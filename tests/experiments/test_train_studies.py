"""Training with the options of sec. 4.3: whole runs of the debug preset."""

import csv
from pathlib import Path

import numpy as np
import pytest

from drujax.data.card.write import write_card
from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.sources import Scenes
from drujax.errors import UsageError
from drujax.weights.safetensors_io import read_metadata
from experiments import train
from experiments._train.folder import default_workdir
from experiments._train.study import study
from experiments._train.summary import run_summary

# The quickest method with a probability network.
DEBUG = ["--preset=debug", "--method=zero_dce_pp", "--dru", "--backbone=mobilenet_v2", "--recipe.steps=2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Scenes of all three QAB classes; those that are uncertain are labelled alternately."""
    folder = tmp_path_factory.mktemp("data") / "D"

    def label(confident, labels, groups, uncertain):
        return np.tile([[0.9, 0.1], [0.2, 0.8]], (len(uncertain), 1))[: len(uncertain)].astype(np.float32)

    scenes = Scenes(40, (48, 48))
    prepare(scenes, folder, labels="classifier", label_uncertain=label, crop=40, quiet=True)
    return folder


def run(data: Path, workdir: Path, *arguments: str) -> int:
    return train.run([*DEBUG, f"--data={data}", f"--workdir={workdir}", *arguments])


def recorded(workdir: Path) -> dict:
    return read_metadata(workdir / "weights.safetensors")["study"]


def rp_ids(workdir: Path) -> dict[str, list[str]]:
    with np.load(workdir / "relativistic_probabilities.npz") as stored:
        assert all(len(stored[name]) == len(stored[f"{name}_id"]) for name in ("dark", "bright"))
        return {name: stored[f"{name}_id"].tolist() for name in ("dark", "bright")}


def ids(rows) -> list[str]:
    return [row.id for row in rows]


@pytest.fixture(scope="module")
def noisy(data, tmp_path_factory):
    """A run with flipped labels, and a probability network of the clean ones."""
    workdir = tmp_path_factory.mktemp("runs") / "noisy"
    assert run(data, workdir, "--label-noise=0.3") == 0
    return workdir


def test_flips_are_recorded_and_index_the_tables(data, noisy):
    dataset = Dataset.open(data)
    with (noisy / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(ids([*dataset.train_dark.table, *dataset.train_bright.table]))
    for name in ("dark", "bright"):
        assert rp_ids(noisy)[name] == [row["id"] for row in rows if row["trained_as"] == name]
    flipped = [row for row in rows if row["label"] != row["trained_as"]]
    about = recorded(noisy)
    assert (about["label_noise"], about["probability_labels"], about["pictures"]) == (0.3, "clean", len(rows))
    assert about["dark_to_bright"] + about["bright_to_dark"] == len(flipped) > 0
    assert about["confident_wrong"] == sum(row["partition"] != "uncertain" for row in flipped)


def test_the_same_command_resumes_and_other_noise_is_refused(data, noisy, capsys):
    assert run(data, noisy, "--label-noise=0.3") == 0
    write_card(data, run=noisy, quiet=True)
    assert "The run changed " in (data / "DATASET.md").read_text()
    assert run(data, noisy, "--label-noise=0.3") == 0  # the card is no change of the dataset
    with pytest.raises(UsageError, match=r"label_noise: 0.3 -> 0.2"):
        run(data, noisy, "--label-noise=0.2")
    with pytest.raises(UsageError, match=r"label_noise: 0.3 -> 0.0; partition: 'all' -> 'confident'"):
        run(data, noisy, "--partition=confident")
    with pytest.raises(UsageError, match=r"probability_labels: 'clean' -> 'noisy'"):
        run(data, noisy, "--label-noise=0.3", "--probability-labels=noisy")


def sets(data: Path, workdir: Path, *arguments: str) -> tuple[Dataset, list[tuple[str, int]]]:
    """The training sets of a run, and the confident examples of its probability network."""
    workdir.mkdir(exist_ok=True)
    config = train.configuration([*DEBUG, f"--data={data}", *arguments])
    dataset, confident = study(config, Dataset.open(data), workdir)
    return dataset, [(example.group, example.label) for example in confident]


def test_the_probability_network_learns_from_clean_labels_by_default(data, tmp_path):
    plain, clean = sets(data, tmp_path / "plain")
    noisy, still_clean = sets(data, tmp_path / "noisy", "--label-noise=0.3")
    _, of_noisy = sets(data, tmp_path / "noisy", "--label-noise=0.3", "--probability-labels=noisy")
    assert ids(plain.train_dark.table) != ids(noisy.train_dark.table)
    assert still_clean == clean
    assert {name for name, _ in of_noisy} == {name for name, _ in clean}
    classes, dark = dict(of_noisy), set(ids(noisy.train_dark.table))
    assert {name for name, label in classes.items() if label == 0} == dark & classes.keys()
    assert classes != dict(clean)
    assert not (tmp_path / "plain" / "labels.csv").exists()


@pytest.mark.parametrize("subset", ["confident", "uncertain"])
def test_a_partition_restricts_the_training_sets_only(subset, data, tmp_path):
    dataset = Dataset.open(data)
    restricted, confident = sets(data, tmp_path / "run", f"--partition={subset}")
    for name in ("train_dark", "train_bright"):
        rows = [row for row in dataset.table(name) if (row.partition == "uncertain") == (subset == "uncertain")]
        assert 0 < len(rows) < len(dataset.table(name))
        assert ids(restricted.table(name)) == ids(rows)
    assert ids(restricted.test_dark.table) == ids(dataset.test_dark.table)
    assert confident == sets(data, tmp_path / "run")[1]  # there is nothing confident among the uncertain pictures


def test_a_run_on_uncertain_pictures(data, tmp_path):
    assert run(data, tmp_path / "run", "--partition=uncertain") == 0
    dataset = Dataset.open(data)
    for name in ("dark", "bright"):
        rows = [row for row in dataset.table(f"train_{name}") if row.partition == "uncertain"]
        assert rp_ids(tmp_path / "run")[name] == ids(rows)
    about = recorded(tmp_path / "run")
    assert (about["partition"], about["confident"], about["dark_to_bright"]) == ("uncertain", 0, 0)


def test_an_unreliable_classifier(data, tmp_path):
    options = ("--relabel=unreliable", "--relabel-backbone=mobilenet_v2", "--relabel-pretrained=none")
    assert run(data, tmp_path / "run", *options) == 0
    dataset, found = Dataset.open(data), rp_ids(tmp_path / "run")
    assert (len(found["dark"]), len(found["bright"])) == (len(dataset.train_dark), len(dataset.train_bright))
    assert set(found["dark"]) != set(ids(dataset.train_dark.table))
    about = recorded(tmp_path / "run")
    assert about["dark_to_bright"] == about["bright_to_dark"] > 0
    assert (about["relabel"], about["relabel_backbone"], about["relabel_epochs"]) == ("unreliable", "mobilenet_v2", 0)
    labels = (tmp_path / "run" / "labels.csv").read_bytes()
    assert run(data, tmp_path / "run", *options) == 0  # without classifying again
    assert (tmp_path / "run" / "labels.csv").read_bytes() == labels


@pytest.mark.slow
@pytest.mark.parametrize("method", ["enlightengan", "exposure", "sci", "ruas", "clip_lit"])
def test_other_methods_have_the_options(method, data, tmp_path):
    arguments = [
        f"--method={method}",
        "--backbone=none",
        "--recipe.steps=1",
        "--partition=confident",
        "--label-noise=0.2",
    ]
    assert train.run(["--preset=debug", f"--data={data}", f"--workdir={tmp_path / 'run'}", *arguments]) == 0
    assert recorded(tmp_path / "run")["pictures"] < len(Dataset.open(data).train_dark) + len(
        Dataset.open(data).train_bright
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--partition=uncertian"], "--partition: unknown value 'uncertian'. Did you mean uncertain.* Choices: all, "),
        (["--relabel=random"], "--relabel: unknown value 'random'.* Choices: none, unreliable"),
        (["--label-noise=1.5"], "--label-noise: must be between 0 and 1, got 1.5"),
        (["--label-noise=0.1", "--relabel=unreliable"], "--label-noise: cannot be combined with relabel=unreliable"),
        (["--probability-labels=noisy"], "--probability-labels: noisy has no effect without label_noise or relabel"),
        (["--relabel-backbone=resnet81"], "--relabel-backbone: unknown value 'resnet81'. Did you mean resnet18"),
        (["--relabel-epochs=-1"], "--relabel-epochs: must be >= 0, got -1"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UsageError, match=message) as error:
        train.configuration(arguments)
    assert "\n" not in str(error.value)


def test_a_partition_that_leaves_a_set_empty_is_refused_before_the_long_work(tmp_path):
    """The embedded scenes have no uncertain pictures."""
    with pytest.raises(UsageError, match=r"--partition: none of the \d+ pictures of train_dark .* is uncertain by QAB"):
        train.run([*DEBUG, f"--workdir={tmp_path / 'run'}", "--partition=uncertain"])
    assert not (tmp_path / "run" / "probability.json").exists()


def test_the_folder_and_the_first_line_name_the_study():
    config = train.configuration(
        ["--data=D", "--partition=uncertain", "--label-noise=0.2", "--probability-labels=noisy"]
    )
    assert default_workdir(config) == Path("runs/enlightengan-vit_b16-uncertain-noise0.2-noisy")
    assert "partition=uncertain, label_noise=0.2, probability_labels=noisy" in run_summary(config)
    plain = train.configuration(["--data=D"])
    assert default_workdir(plain) == Path("runs/enlightengan-vit_b16")
    assert plain.study == {}

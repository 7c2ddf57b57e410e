"""The jobs of a table: relativistic probabilities, trainings, and scores of the test pictures."""

import dataclasses
import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int

from drujax.errors import UsageError
from drujax.methods.config import TrainConfig
from experiments import train
from experiments._evaluate.light import INPUT, PLAIN, enhancer
from experiments._tables import keys, scoring
from experiments._tables.jobs import Job
from experiments._tables.studies import Row

# What the tables' presets change in a method's preset of that name: laptop trains a generator of a quarter of the width
# on small crops, so that a table takes hours and not weeks.
CHANGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "laptop": {
        "enlightengan": (
            "--gan.width=8",
            "--gan.discriminator-features=32",
            "--gan.patches=2",
            "--recipe.size=96",
            "--recipe.short-side=192",
        ),
    },
}
TRIAL = 3  # steps that are timed for an estimate, after the first, which compiles


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all rows of a table share.

    Attributes:
        data: the dataset.
        preset: of the trainings.
        backbone: of the unreliable classifier.
        options: further arguments of all trainings.
        weights: file by name: backbones, "vgg16" and "nima"; those that are missing are downloaded.
        split: whose pictures are scored.
        pictures: at most so many of them, evenly spaced.
        metrics: names.
    """

    data: Path
    preset: str
    backbone: str
    options: tuple[str, ...]
    weights: Mapping[str, str]
    split: str
    pictures: int | None
    metrics: tuple[str, ...]


@functools.cache
def dataset_of(path: Path) -> Any:
    """Opens a dataset, once. Raises UsageError."""
    from drujax.data.dataset import Dataset

    return Dataset.open(path)


def jobs_of(row: Row, seed: int, setting: Setting) -> list[Job]:
    """Returns the jobs of a row and seed, the last of which scores it."""
    if row.train is None:
        assert row.model is not None
        return [_score(row, f"{row.name}: score", model=row.model, setting=setting)]
    training = _train(row, seed, setting)
    return [
        *training.needs,
        training,
        _score(row, f"{row.name}, seed {seed}: score", training=training, setting=setting),
    ]


# ----- trainings


def _train(row: Row, seed: int, setting: Setting) -> Job:
    probability = None if row.backbone is None else _probability(row.backbone, setting)
    arguments = _arguments(row, seed, setting)

    def run(workdir: Path, folder: Path, *more: str) -> int:
        given = [*arguments, *more, f"--workdir={folder}"]
        if probability is not None:
            given.append(f"--probabilities={probability.folder(workdir) / 'relativistic_probabilities.npz'}")
        return train.run(given)

    return Job(
        kind=f"train {_method(row)}",
        name=f"{row.name}, seed {seed}: train",
        key=keys.key(
            keys.TRAINING,
            arguments=_without_paths(arguments),
            files=[keys.fingerprint(path) for path in _files(arguments)],
            data=keys.data_key(setting.data),
            probability=probability.key if probability else None,
        ),
        make=lambda folder: run(folder.parents[1], folder),
        needs=() if probability is None else (probability,),
        estimate=partial(_trial, arguments),
    )


def _arguments(row: Row, seed: int, setting: Setting) -> list[str]:
    assert row.train is not None
    method = _method(row)
    arguments = [f"--data={setting.data}", f"--preset={setting.preset}", f"--seed={seed}"]
    arguments += CHANGES.get(setting.preset, {}).get(method, ())
    arguments += [*row.train, *(() if row.backbone is None else (f"--backbone={row.backbone}",))]
    if "--relabel=unreliable" in row.train:
        name = row.backbone or setting.backbone
        arguments += [f"--relabel-backbone={name}", f"--relabel-pretrained={setting.weights.get(name, 'imagenet')}"]
    if method == "enlightengan" and "vgg16" in setting.weights:
        arguments.append(f"--gan.perceptual={setting.weights['vgg16']}")
    return [*arguments, *setting.options]


def _method(row: Row) -> str:
    assert row.train is not None
    return next(flag.partition("=")[2] for flag in row.train if flag.startswith("--method="))


def _probability(backbone: str, setting: Setting) -> Job:
    """The relativistic probabilities of all pictures by F_q, which is the same for all seeds of a training."""
    pretrained = setting.weights.get(backbone)
    arguments = [f"--data={setting.data}", f"--preset={setting.preset}", f"--backbone={backbone}"]
    arguments += [f"--pretrained={pretrained}"] if pretrained else []
    config = train.configuration(arguments)

    def make(folder: Path) -> int:
        from drujax.uncertainty.confident_set import confident_examples
        from drujax.uncertainty.run_tables import load_or_compute_tables

        folder.mkdir(parents=True, exist_ok=True)
        dataset = dataset_of(setting.data)
        examples = confident_examples(dataset)
        load_or_compute_tables(folder, dataset, examples, config.uncertainty, config.pretrained, config.probability)
        return 0

    return Job(
        kind=f"probability {backbone}",
        name=f"{backbone}: relativistic probabilities",
        key=keys.key(
            ("pictures", "data", "models", "weights", "uncertainty"),
            backbone=backbone,
            recipe=dataclasses.asdict(config.probability),
            pretrained=Path(pretrained) if pretrained and Path(pretrained).is_file() else config.pretrained,
            data=keys.data_key(setting.data),
        ),
        make=make,
    )


def _trial(arguments: Sequence[str]) -> float:
    """Seconds that a training takes, by a few steps of it without relativistic probabilities."""
    import tempfile

    from drujax.training.schedule import run_length

    config: TrainConfig = train.configuration(list(arguments))
    steps, _ = run_length(config.recipe, config.spec.epoch, dataset_of(cast(Path, config.data)))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        short = [argument for argument in arguments if not argument.startswith(("--weighting", "--recipe.steps"))]
        end = [f"--recipe.steps={min(TRIAL + 1, steps)}", "--loop.log-every=1", f"--workdir={folder}/run"]
        plain = ["--backbone=none"] if config.uncertainty != "none" else []
        train.run([*short, *plain, *end], on_step=lambda step: times.append(time.monotonic()))
    return steps * (times[-1] - times[0]) / max(1, len(times) - 1)


def _files(arguments: Iterable[str]) -> list[Path]:
    """The weight files among the arguments."""
    values = [Path(argument.partition("=")[2]) for argument in arguments]
    return [value for value in values if value.is_file()]


def _without_paths(arguments: Iterable[str]) -> list[str]:
    """The arguments, those that are paths without their values, which may be elsewhere on another machine."""
    return [a.partition("=")[0] if Path(a.partition("=")[2]).exists() else a for a in arguments]


# ----- scores


def _score(row: Row, name: str, setting: Setting, *, training: Job | None = None, model: str | None = None) -> Job:
    def make(folder: Path) -> int:
        trained = None if training is None else training.folder(folder.parents[1]) / "weights.safetensors"
        name = str(trained or model) + (PLAIN if not row.composed and model != INPUT else "")
        scoring.score(folder, partial(enhancer, name), pictures(setting), metrics(setting))
        return 0

    return Job(
        kind="score",
        name=name,
        key=keys.key(
            keys.SCORING,
            model=model if model is None or not Path(model).is_file() else Path(model),
            training=training.key if training else None,
            composed=row.composed,
            data=keys.data_key(setting.data),
            split=setting.split,
            pictures=setting.pictures,
            metrics=setting.metrics,
        ),
        make=make,
        needs=() if training is None else (training,),
    )


def pictures(setting: Setting) -> list[tuple[str, Any]]:
    """Returns the names of the test pictures, and functions that decode them."""
    from drujax.score.evaluation import spread

    split = dataset_of(setting.data).split(setting.split)
    if not len(split):
        raise UsageError(f"split: {setting.split} of {setting.data} has no picture")
    table = split.table
    return [(table[i].id, partial(split.image, i)) for i in spread(len(split), setting.pictures)]


def groups(setting: Setting) -> Int[np.ndarray, " n"]:
    """Returns the number of the scene group of each test picture."""
    of = {row.id: row.group for row in dataset_of(setting.data).table(setting.split)}
    return np.unique([of[name] for name, _ in pictures(setting)], return_inverse=True)[1]


def metrics(setting: Setting) -> scoring.Metrics:
    """Returns the metrics as functions of batches. Raises UsageError if the weights of one are not there."""
    return {name: _metric(name, setting.weights) for name in setting.metrics}


def available_metrics(names: Iterable[str], weights: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the metrics that this machine can compute, and for each of the others why not."""
    missing = {}
    for name in names:
        try:
            _metric(name, weights)
        except UsageError as error:
            missing[name] = str(error)
    return tuple(name for name in names if name not in missing), missing


def _metric(name: str, weights: Mapping[str, str]) -> Any:
    """NIMA is idealo's MobileNet, whose weights are smaller and free; its scale is not the paper's."""
    from drujax.metrics.registry import find
    from drujax.weights.download import fetch

    metric = find(name)
    if name == "nima":
        file = weights.get("nima") or fetch(metric.needs("idealo")[0])
        return partial(metric.function, reference="idealo", weights=file)
    for file in metric.needs("pyiqa"):
        fetch(file)
    return metric.function

"""The jobs of a table: relativistic probabilities, trainings, and scores of the test pictures."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from drujax.console.output import complain
from drujax.errors import UsageError
from drujax.methods.config import TrainConfig
from drujax.uncertainty.probability import CENTROID
from experiments import train
from experiments._evaluate.light import INPUT, PLAIN, enhancer
from experiments._tables import dark_pictures, keys, scoring
from experiments._tables.dark_pictures import PAIRS, SCENES, DarkPicture
from experiments._tables.jobs import Job
from experiments._tables.studies import TRUTH, Row

# What the tables' presets change in a method's preset: laptop trains a narrow EnlightenGAN on small crops, and every
# method for the same number of steps, so that a table takes hours and not weeks; small makes studies of many seeds
# possible. Both have the paper's losses alone, with a narrow random VGG16: under ImageNet's a generator of this size
# keeps returning its input for hundreds of steps, and it takes most of the time.
_NARROW = (
    *("--gan.no-frozen-batch-norm", "--gan.reconstruction=0", "--gan.generator-rests=0", "--gan.patches=2"),
    *("--gan.perceptual=random", "--gan.perceptual-width=16"),
)
_600_STEPS = "--recipe.steps=600"
CHANGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "laptop": {
        "enlightengan": (
            *("--gan.width=16", "--gan.discriminator-features=32", *_NARROW),
            # At 1e-3, Vanilla's losses exploded within 300 steps on drawn pictures, and its pictures turned orange.
            *("--recipe.size=96", "--recipe.short-side=192", "--recipe.learning-rate=3e-4", _600_STEPS),
        ),
        "sci": ("--recipe.size=128", _600_STEPS),
        "zero_dce_pp": ("--recipe.learning-rate=1e-3", _600_STEPS),
        "zero_dce": ("--recipe.learning-rate=1e-3", _600_STEPS),
        "pairlie": (_600_STEPS,),
        "ruas": (_600_STEPS,),
        "zero_ig": (_600_STEPS,),
    },
    "small": {
        "enlightengan": (
            *("--gan.width=8", "--gan.discriminator-features=16", *_NARROW),
            *("--recipe.size=64", "--recipe.batch-size=8", "--recipe.learning-rate=1e-3"),
            *("--recipe.steps=300", "--recipe.ema-decay=0.98"),
            "--loop.sample-every=1000",
        ),
    },
}
TRAIN_PRESET = {"small": "laptop"}  # where experiments.train has none of that name
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
        split: whose pictures are scored, "pairs" or "scenes".
        pairs: table of pairs, for that split.
        pictures: at most so many of them, evenly spaced.
        short_side: to which pictures are resized before they are enhanced and scored.
        metrics: names.
    """

    data: Path
    preset: str
    backbone: str
    options: tuple[str, ...]
    weights: Mapping[str, str]
    split: str
    pairs: Path | None
    pictures: int | None
    short_side: int | None
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
    probability = None if row.backbone is None else _probability(row, setting)
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
    arguments = [f"--data={setting.data}", f"--preset={_preset(setting)}", f"--seed={seed}"]
    arguments += CHANGES.get(setting.preset, {}).get(method, ())
    arguments += [*row.train, *(() if row.backbone is None else (f"--backbone={row.backbone}",))]
    if "--relabel=unreliable" in row.train:
        name = row.backbone or setting.backbone
        arguments += [f"--relabel-backbone={name}", f"--relabel-pretrained={setting.weights.get(name, 'imagenet')}"]
    if method == "enlightengan" and "vgg16" in setting.weights and "--gan.perceptual=random" not in arguments:
        arguments.append(f"--gan.perceptual={setting.weights['vgg16']}")
    return [*arguments, *setting.options]


def _preset(setting: Setting) -> str:
    return TRAIN_PRESET.get(setting.preset, setting.preset)


def _method(row: Row) -> str:
    assert row.train is not None
    return next(flag.partition("=")[2] for flag in row.train if flag.startswith("--method="))


def _probability(row: Row, setting: Setting) -> Job:
    """The relativistic probabilities of all pictures by F_q, which is the same for all seeds of a training."""
    assert row.train is not None
    assert row.backbone is not None
    backbone = row.backbone
    arguments = [f"--data={setting.data}", f"--preset={_preset(setting)}", f"--backbone={backbone}"]
    arguments += [option for option in row.train if option.startswith("--probability.")]
    features = train.configuration(arguments).probability.centroid_features if backbone == CENTROID else backbone
    pretrained = setting.weights.get(features)
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
            data=_pictures_key(setting),
            split=setting.split,
            pictures=setting.pictures,
            metrics=setting.metrics,
            **({} if setting.short_side is None else {"short_side": setting.short_side}),
        ),
        make=make,
        needs=() if training is None else (training,),
    )


def pictures(setting: Setting) -> list[DarkPicture]:
    """Returns the test pictures. Raises UsageError if there are none."""
    found = _pictures(setting)
    if setting.short_side is None:
        return found
    return [dark_pictures.at_short_side(picture, setting.short_side) for picture in found]


def _pictures(setting: Setting) -> list[DarkPicture]:
    if setting.split == SCENES:
        return dark_pictures.of_scenes(setting.pictures)
    if setting.split != PAIRS:
        return dark_pictures.of_split(dataset_of(setting.data), setting.split, setting.pictures)
    if setting.pairs is None:
        raise UsageError("split: pairs needs --pairs=CSV")
    return dark_pictures.of_pairs(setting.pairs, setting.pictures, lambda why: complain(f"skipped {why}"))


def _pictures_key(setting: Setting) -> str:
    if setting.split == SCENES:
        return SCENES
    return keys.data_key(setting.data) if setting.pairs is None else dark_pictures.pairs_key(setting.pairs)


def metrics(setting: Setting) -> scoring.Metrics:
    """Returns the metrics as functions. Raises UsageError if the weights of one are not there."""
    return {name: _metric(name, setting.weights) for name in setting.metrics}


def available_metrics(names: Iterable[str], setting: Setting) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the metrics that this machine can compute of these pictures, and for each of the others why not."""
    missing = {}
    for name in names:
        try:
            _metric(name, setting.weights)
        except UsageError as error:
            missing[name] = str(error)
        if name in TRUTH and setting.split not in (PAIRS, SCENES):
            missing[name] = f"nobody knows the scenes of {setting.split} by day"
    return tuple(name for name in names if name not in missing), missing


def _metric(name: str, weights: Mapping[str, str]) -> Callable[[Any, Any], float]:
    if name in TRUTH:
        return partial(_with_truth, name)
    score = _no_reference(name, weights)
    return lambda rgb, truth: score(rgb[None])[0]


def _with_truth(name: str, rgb: Any, truth: Any) -> float:
    from drujax.metrics import exposure
    from drujax.metrics.ssim import psnr, ssim
    from drujax.pictures.color import luma

    if name in ("psnr", "ssim"):
        return float((psnr if name == "psnr" else ssim)(rgb, truth)[0])
    if name == "luma_correlation":
        return exposure.correlation(*(exposure.log_luma(luma(x.astype(float))) for x in (rgb, truth)))
    return exposure.chroma_distance(rgb.astype(float), truth.astype(float))


def _no_reference(name: str, weights: Mapping[str, str]) -> Any:
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

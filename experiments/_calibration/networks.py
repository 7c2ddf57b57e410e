"""Probability networks that are compared: heads on a backbone's fixed features, networks of runs, and mean luma.

All give margins, log P(bright) - log P(dark), of the same pictures. The features of a backbone take the time: they are
computed once and kept (`experiments._tables.jobs`); the heads on them are trained in seconds.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Float32

from drujax.data.dataset import Dataset
from drujax.data.qab import mean_luma
from drujax.errors import UsageError
from drujax.models.backbones import BACKBONES
from drujax.uncertainty import calibration, centroid
from drujax.uncertainty.classifier_training import fit_head
from drujax.uncertainty.confident_set import CLASSES, Examples, hold_out
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.network_io import load_network
from drujax.uncertainty.probability import features
from drujax.uncertainty.weighting import fit_sigmoid
from drujax.weights.pretrained.backbones import Pretrained, initialise
from experiments._calibration.pictures import LADDER_SEED, Ladders, TrainingPictures
from experiments._tables import keys
from experiments._tables.jobs import Job

VARIANTS = ("plain", "temperature", "mixup", "centroid")
MIXUP = 1.0  # alpha, unless the recipe has another
PACKAGES = ("pictures", "data", "models", "weights", "uncertainty")
OUTPUTS = "outputs.npy"


@dataclasses.dataclass(frozen=True, eq=False)
class Margins:
    """What a probability network says, log P(bright) - log P(dark) at its temperature.

    Attributes:
        training: of the training pictures.
        ladders: of the ladders' pictures.
        held_out: marks the confident pictures that it saw in no way, neither for training nor for its temperature.
        temperature: that was applied.
        note: why it was not the fitted one.
    """

    training: Float[np.ndarray, " n"]
    ladders: Float[np.ndarray, " m"]
    held_out: Bool[np.ndarray, " c"]
    temperature: float = 1.0
    note: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that all networks are given."""

    dataset: Dataset
    training: TrainingPictures
    ladders: Ladders

    def images(self) -> Iterator[np.ndarray]:
        """Decodes and paints all pictures, one at a time: those of the training sets, then the ladders'."""
        split = self.training.split
        return chain((split.image(index) for index in range(len(split))), self.ladders.images())


# ----- features of backbones


def feature_job(backbone: str, pretrained: str, resolution: int, pictures: Pictures) -> Job:
    """Returns the job that computes a backbone's features of all pictures."""

    def make(folder: Path) -> int:
        initial = _initial(backbone, pretrained, resolution, seed=0)
        folder.mkdir(parents=True, exist_ok=True)
        module = BACKBONES[backbone].build(len(CLASSES), **initial.options)
        np.save(folder / OUTPUTS, features(module, initial.variables, pictures.images(), resolution))
        return 0

    return Job(
        kind=f"features {backbone}",
        name=f"{backbone}: features of {len(pictures.training.split) + len(pictures.ladders)} pictures",
        key=keys.key(
            PACKAGES,
            backbone=backbone,
            pretrained=Path(pretrained) if Path(pretrained).is_file() else pretrained,
            resolution=resolution,
            data=keys.data_key(pictures.dataset.path),
            ladders=_ladders_key(pictures.ladders),
        ),
        make=make,
    )


def heads(
    backbone: str,
    pretrained: str,
    inputs: Float32[np.ndarray, "t c"],
    pictures: Pictures,
    recipe: ProbabilityRecipe,
    variants: Sequence[str],
) -> dict[str, Margins]:
    """Trains a head of each variant on a backbone's features, as `train_probability_network` does with
    `recipe.freeze_features`; returns the margins by variant.

    Args:
        backbone: its name.
        pretrained: its weights.
        inputs: its features of all pictures.
        pictures: the pictures.
        recipe: of the heads; its seed also chooses the pictures that are held out.
        variants: among VARIANTS.
    """
    training = pictures.training
    labels, confident = training.classes, inputs[: training.confident]
    held, fitting = held_out(training, recipe)
    margins: dict[str, Margins] = {}
    initial = _initial(backbone, pretrained, recipe.resolution, recipe.seed)
    start = initial.variables["params"][BACKBONES[backbone].head]

    def linear(recipe: ProbabilityRecipe) -> Float[np.ndarray, " t"]:
        head = fit_head(start, confident[~held], labels[~held], recipe, lambda line: None)
        return _margin(inputs @ np.asarray(head["kernel"]) + np.asarray(head["bias"]))

    def add(name: str, of_all: Float[np.ndarray, " t"], temperature: float = 1.0, note: str = "") -> None:
        of_all = of_all / temperature
        margins[name] = Margins(*_parts(of_all, pictures), held & ~fitting, temperature, note)

    if {"plain", "temperature"} & set(variants):
        plain = linear(recipe)
        add("plain", plain)
        of_fitting = as_logits(plain[: training.confident][fitting])
        scaling = calibration.fit_scaling(of_fitting, labels[fitting], sharpen=recipe.sharpen)
        add("temperature", plain, scaling.applied, scaling.refused or "")
    if "mixup" in variants:
        add("mixup", linear(dataclasses.replace(recipe, mixup=recipe.mixup or MIXUP)))
    if "centroid" in variants:
        fitted = centroid.fit(confident[~held], labels[~held])
        add("centroid", _margin(np.asarray(centroid.logits(fitted, inputs))))
    return {name: margins[name] for name in variants}


# ----- other networks


def network_job(file: Path, pictures: Pictures) -> Job:
    """Returns the job that computes what the network of a run says of all pictures, without its temperature."""

    def make(folder: Path) -> int:
        logits = load_network(file).logits(pictures.images())
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / OUTPUTS, logits)
        return 0

    return Job(
        kind="network",
        name=f"{file}: probabilities of {len(pictures.training.split) + len(pictures.ladders)} pictures",
        key=keys.key(
            PACKAGES, network=file, data=keys.data_key(pictures.dataset.path), ladders=_ladders_key(pictures.ladders)
        ),
        make=make,
    )


def of_network(file: Path, logits: Float32[np.ndarray, "t 2"], pictures: Pictures) -> Margins:
    """Returns the margins of the network of a run, from what `network_job` wrote.

    Raises:
        UsageError: it was trained on other pictures, so nobody knows which were held out.
    """
    network = load_network(file)
    recipe = ProbabilityRecipe(**network.report["recipe"])
    held, fitting = held_out(pictures.training, recipe)
    labels = pictures.training.classes
    counts = {name: int((labels[held] == label).sum()) for label, name in enumerate(CLASSES)}
    if counts != network.report["held_out_pictures"]:
        raise UsageError(f"networks: {file} was not trained on {pictures.dataset.path}")
    return Margins(*_parts(_margin(logits) / network.temperature, pictures), held & ~fitting, network.temperature)


def of_luma(pictures: Pictures, recipe: ProbabilityRecipe) -> Margins:
    """Returns the margins of a sigmoid of the mean luma, fitted to the pictures that heads are trained on."""
    training = pictures.training
    held, fitting = held_out(training, recipe)
    known, labels = training.luma[: training.confident][~held], training.classes[~held]
    slope, offset = fit_sigmoid(*(known[labels == label] for label in range(len(CLASSES))))
    lumas = np.array([float(mean_luma(image)) for image in pictures.ladders.images()])
    return Margins(slope * training.luma + offset, slope * lumas + offset, held & ~fitting)


def held_out(
    training: TrainingPictures, recipe: ProbabilityRecipe
) -> tuple[Bool[np.ndarray, " c"], Bool[np.ndarray, " c"]]:
    """Marks the confident pictures that `train_probability_network` holds out, and the half of them that a temperature
    is fitted on."""
    labels, groups = training.classes, [row.group for row in training.rows[: training.confident]]
    examples = Examples(np.zeros((len(labels), 0, 0, 3), np.uint8), labels, groups)
    held = hold_out(examples, recipe.held_out, recipe.seed)
    fitting = np.zeros(len(labels), bool)
    fitting[held] = hold_out(examples.where(held), 0.5, recipe.seed)
    return held, fitting


def checked_recipe(recipe: ProbabilityRecipe) -> ProbabilityRecipe:
    """Raises UsageError for a recipe that trains more than the head, or holds nothing out."""
    if not recipe.freeze_features:
        raise UsageError(
            "freeze_features: only heads are trained here; train a whole network by experiments.train, and give it as "
            "--networks LABEL=RUN/probability.safetensors"
        )
    if not recipe.held_out:
        raise UsageError("held_out: must be > 0, or nothing shows whether a network's probabilities are right")
    return recipe


def as_logits(margins: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Returns logits (dark, bright) with these margins."""
    return np.stack([-margins / 2, margins / 2], axis=-1)


def _initial(backbone: str, pretrained: str, resolution: int, seed: int) -> Pretrained:
    key = jax.random.key(seed)
    return initialise(
        backbone, pretrained, num_classes=len(CLASSES), resolution=resolution, key=key, option="--weights"
    )


def _parts(
    of_all: Float[np.ndarray, " t"], pictures: Pictures
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """Of the training pictures, and of the ladders."""
    count = len(pictures.training.split)
    return of_all[:count], of_all[count:]


def _margin(logits: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    logits = np.asarray(logits, np.float64)
    return logits[:, 1] - logits[:, 0]


def _ladders_key(ladders: Ladders) -> dict[str, Any]:
    return {"seed": LADDER_SEED, "size": ladders.size, "scenes": int(ladders.scene.max()) + 1, "m": len(ladders)}

"""The probability network F_q (paper, eq. 4 and secs. 3.1, 4.1): a dark/bright classifier whose softmax is the RP.

F_q is a backbone with a 2-way last layer, trained on the confident images only; outputs are in the order dark, bright.
The same classifier labels the uncertain images when a dataset is prepared (F_dark/bright, eq. 3).
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import islice
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from drujax.data.labels import LabelUncertain
from drujax.errors import unknown
from drujax.models.backbones import BACKBONES, normalise
from drujax.uncertainty import calibration, centroid
from drujax.uncertainty.chunks import CHUNK, compiled, evaluate
from drujax.uncertainty.classifier_training import fit_head, fit_network
from drujax.uncertainty.confident_set import CLASSES, Example, Examples, gather, hold_out, resize
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.recalibration import has_folded_norms, recalibrate
from drujax.weights.pretrained.backbones import CODEBOOK_LICENCE, Pretrained, initialise
from drujax.weights.torch_names import Variables

CENTROID = "centroid"


@dataclasses.dataclass(frozen=True)
class ProbabilityNetwork:
    """A trained F_q.

    Attributes:
        variables: of the backbone; for `centroid`, of the feature network, with the centroids under "centroid".
        temperature: divides the logits; 1 without temperature scaling.
        resolution: side to which images are resized.
        report: recipe, initial weights, their licence and the module's options, held-out accuracy and calibration, as
            JSON values.
        score: (variables, uint8 images b s s 3) -> logits b 2; pure.
    """

    variables: Variables
    temperature: float
    resolution: int
    report: dict[str, Any]
    score: Callable[[Variables, Array], Array]

    def logits(self, images: Iterable[UInt8[np.ndarray, "_ _ 3"]]) -> Float32[np.ndarray, "n 2"]:
        """Computes the logits (dark, bright) of images of any size, at temperature 1, one chunk at a time."""
        chunks = [evaluate(self._compiled, self.variables, chunk) for chunk in _chunks(images, self.resolution)]
        return np.concatenate(chunks) if chunks else np.zeros((0, len(CLASSES)), np.float32)

    def probabilities(self, images: Iterable[UInt8[np.ndarray, "_ _ 3"]]) -> Float32[np.ndarray, "n 2"]:
        """Computes the probabilities (dark, bright), which sum to 1."""
        return calibration.probabilities(self.logits(images), self.temperature).astype(np.float32)

    @cached_property
    def _compiled(self) -> Callable[[Variables, Any], Array]:
        return compiled(self.score)


def train_probability_network(
    examples: Iterable[Example | tuple],
    backbone: str,
    pretrained: str,
    recipe: ProbabilityRecipe,
    *,
    log: Callable[[str], None],
) -> ProbabilityNetwork:
    """Trains F_q on the confident `examples`: (uint8 image h w 3, 0 dark or 1 bright, source group).

    Args:
        examples: see `drujax.uncertainty.confident_set.confident_examples`; read once.
        backbone: a name in BACKBONES, or "centroid".
        pretrained: "imagenet", "none" (random weights) or a checkpoint's path.
        recipe: training recipe.
        log: called with a line for each epoch.

    Raises:
        UsageError: an unknown backbone, a class without images, a checkpoint of another network, a non-finite loss.
    """
    if backbone not in BACKBONES and backbone != CENTROID:
        raise unknown("backbone", backbone, [*BACKBONES, CENTROID])
    start = time.monotonic()
    gathered = gather(examples, recipe.resolution)
    held = hold_out(gathered, recipe.held_out, recipe.seed)
    training, held_out = gathered.where(~held), gathered.where(held)
    log(f"probability network: {_counted(training)} to train on, {_counted(held_out)} held out")
    initial = _initial(backbone, pretrained, recipe, log)
    variables = _fit(backbone, initial, training, recipe, log)
    score = scoring(backbone, recipe.centroid_features, initial.options)
    network = ProbabilityNetwork(variables, 1.0, recipe.resolution, {}, score)
    report, temperature = _assess(network, held_out, recipe, log)
    report = {
        "backbone": backbone,
        "pretrained": pretrained,
        "licence": initial.licence or "Apache-2.0",
        "options": initial.options,
        "recipe": dataclasses.asdict(recipe),
        "training_pictures": training.counts,
        "held_out_pictures": held_out.counts,
        **report,
        "seconds": round(time.monotonic() - start, 1),
    }
    log(
        f"probability network: held-out accuracy {_number(report['accuracy'])}, "
        f"expected calibration error {_number(report['expected_calibration_error'])}"
    )
    return dataclasses.replace(network, temperature=temperature, report=report)


def labeller(
    backbone: str, pretrained: str, recipe: ProbabilityRecipe, *, log: Callable[[str], None]
) -> LabelUncertain:
    """Builds F_dark/bright of eq. 3; its accuracy is measured on held-out groups."""

    def label(confident, labels, groups, uncertain):
        pictures = zip(confident, labels, groups, strict=True)
        examples = (Example(image, int(label), group) for image, label, group in pictures)
        return train_probability_network(examples, backbone, pretrained, recipe, log=log).probabilities(uncertain)

    return label


def scoring(backbone: str, centroid_features: str, options: Mapping[str, Any]) -> Callable[[Variables, Array], Array]:
    """Builds `ProbabilityNetwork.score` for a backbone, or for centroids of features from `centroid_features`.

    `options` are those of the backbone's module (`Pretrained.options`).
    """
    if backbone == CENTROID:
        return partial(_centroid_score, module=BACKBONES[centroid_features].build(len(CLASSES), **options))
    return partial(_score, module=BACKBONES[backbone].build(len(CLASSES), **options))


def features(
    module: nn.Module, variables: Variables, images: Iterable[UInt8[np.ndarray, "_ _ 3"]], resolution: int
) -> Float32[np.ndarray, "n c"]:
    """Computes the input of a backbone's last layer for at least one image of any size, without dropout."""
    function = compiled(lambda variables, batch: module.apply(variables, normalise(batch), train=False, features=True))
    return np.concatenate([evaluate(function, variables, chunk) for chunk in _chunks(images, resolution)])


def _initial(backbone: str, pretrained: str, recipe: ProbabilityRecipe, log: Callable[[str], None]) -> Pretrained:
    """Returns the initial weights; logs what is particular about them."""
    name = recipe.centroid_features if backbone == CENTROID else backbone
    key = jax.random.key(recipe.seed)
    initial = initialise(name, pretrained, num_classes=len(CLASSES), resolution=recipe.resolution, key=key)
    if initial.options.get("pooled"):
        log(f"probability network: {pretrained} has no hidden linear layers: the features are the average of its map")
    if initial.licence == CODEBOOK_LICENCE:
        log(f"probability network: {pretrained} is under the {initial.licence}")
    return initial


def _fit(backbone: str, initial: Pretrained, training: Examples, recipe: ProbabilityRecipe, log) -> Variables:
    """Returns the trained variables."""
    name = recipe.centroid_features if backbone == CENTROID else backbone
    variables = initial.variables
    module = BACKBONES[name].build(len(CLASSES), **initial.options)
    if backbone == CENTROID:
        inputs = features(module, variables, training.images, recipe.resolution)
        return {**variables, "centroid": centroid.fit(inputs, training.labels)}
    if recipe.freeze_features:
        head, params = BACKBONES[name].head, variables["params"]
        inputs = features(module, variables, training.images, recipe.resolution)
        params = {**params, head: fit_head(params[head], inputs, training.labels, recipe, log)}
        return {**variables, "params": params}
    if initial.licence is not None and has_folded_norms(variables):  # not random
        log(f"probability network: folded batch norms are recalibrated on {len(training)} images")
        variables = recalibrate(module, variables, training.images)
    return fit_network(module, variables, training.images, training.labels, recipe, log)


def _score(variables: Variables, images: UInt8[Array, "b s s 3"], *, module: nn.Module) -> Float[Array, "b 2"]:
    logits: Any = module.apply(variables, normalise(images), train=False)
    return logits


def _centroid_score(variables: Variables, images: UInt8[Array, "b s s 3"], *, module: nn.Module) -> Float[Array, "b 2"]:
    networks = {name: part for name, part in variables.items() if name != "centroid"}
    features: Any = module.apply(networks, normalise(images), train=False, features=True)
    return centroid.logits(variables["centroid"], features)


def _chunks(images: Iterable[np.ndarray], resolution: int) -> Iterator[np.ndarray]:
    resized = (resize(image, resolution) for image in images)
    while chunk := list(islice(resized, CHUNK)):
        yield np.stack(chunk)


def _assess(
    network: ProbabilityNetwork, held_out: Examples, recipe: ProbabilityRecipe, log: Callable[[str], None]
) -> tuple[dict[str, Any], float]:
    """Returns the report on the held-out images, and the temperature to use.

    The temperature is fitted on half of the groups, and its effect on calibration is measured on the others; if none is
    applied, calibration is measured on all.
    """
    logits, labels = network.logits(held_out.images), held_out.labels
    fitting = hold_out(held_out, 0.5, recipe.seed)
    scaling = calibration.fit_scaling(logits[fitting], labels[fitting], sharpen=recipe.sharpen)
    temperature = scaling.applied if recipe.temperature_scaling else 1.0
    measured = ~fitting if temperature != 1 else np.ones(len(labels), bool)
    if recipe.temperature_scaling:
        why = scaling.refused or f"fitted on {_counted(held_out.where(fitting))}"
        log(f"probability network: temperature {temperature:.4g}, {why}")
    changes: dict[str, Any] = {**dataclasses.asdict(scaling), "applied": temperature}
    for name, part in (("fitted_on", fitting), ("measured_on", ~fitting)):
        changes[name] = held_out.where(part).counts
    for name, value in (("before", 1.0), ("after", scaling.fitted)):
        if value is not None:
            assessed = calibration.assess(logits[~fitting], labels[~fitting], value)
            changes[name] = {key: assessed[key] for key in ("expected_calibration_error", "negative_log_likelihood")}
    by_class = {name: _accuracy(logits[labels == i], labels[labels == i]) for i, name in enumerate(CLASSES)}
    report = {
        **calibration.assess(logits[measured], labels[measured], temperature),
        "accuracy": _accuracy(logits, labels),  # on all of them, since no temperature changes it
        "accuracy_by_class": by_class,
        "calibration_pictures": held_out.where(measured).counts,
        "temperature": changes,
    }
    return report, temperature


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float | None:
    return float((logits.argmax(1) == labels).mean()) if len(labels) else None


def _counted(examples: Examples) -> str:
    return " and ".join(f"{count} {name}" for name, count in examples.counts.items())


def _number(value: float | None) -> str:
    return "unknown (nothing held out)" if value is None else f"{value:.4f}"

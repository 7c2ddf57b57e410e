"""An unreliable classifier of dark and bright pictures, for the label-noise study (sec. 4.3, Table 3).

The paper reclassifies its training sets "using a ResNet18 pretrained on ImageNet" and says no more about it. Here the
classifier has never seen the task: its features f are the input of the last layer of an ImageNet network, which is not
trained, and its last layer is random. With z = (f - mean) / std over the training pictures, a picture is the darker
for it the larger z · (w_dark - w_bright) is, and as many pictures are called dark as the dataset calls dark. So the
sizes of the sets do not change, and the noise cannot be confused with an effect of theirs. (With the bare argmax of a
random layer nearly all pictures get one label, because such features are positive and have a large mean in common.)
"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from drujax.data.dataset import Dataset
from drujax.data.records import Label
from drujax.models.backbones import BACKBONES
from drujax.uncertainty.classifier_training import fit_head
from drujax.uncertainty.confident_set import CLASSES
from drujax.uncertainty.config import ProbabilityRecipe
from drujax.uncertainty.probability import features
from drujax.weights.pretrained.backbones import initialise


def unreliable_labels(
    dataset: Dataset,
    backbone: str,
    pretrained: str,
    *,
    epochs: int = 0,
    resolution: int = 224,
    seed: int = 0,
    log: Callable[[str], None],
) -> dict[str, Label]:
    """Labels the pictures of both training sets by the classifier of the module; returns the labels by id.

    Args:
        dataset: its training sets are relabelled.
        backbone: name of the feature network.
        pretrained: its weights: "imagenet", "none" (random) or a checkpoint's path.
        epochs: for which the last layer is trained on the confident pictures (SGD, 1e-3, batches of 64): 0 leaves it
            random, 1 trains it barely, many make the classifier reliable.
        resolution: side to which whole pictures are resized.
        seed: of the last layer.
        log: called with a line for each epoch.

    Raises:
        UsageError: the weights are unavailable.
    """
    splits = dataset.train_dark, dataset.train_bright
    rows = [row for split in splits for row in split.table]
    network = BACKBONES[backbone]
    initial = initialise(
        backbone,
        pretrained,
        num_classes=len(CLASSES),
        resolution=resolution,
        key=jax.random.key(seed),
        option="--relabel-pretrained",
    )
    pictures = (split.image(index) for split in splits for index in range(len(split)))
    module = network.build(len(CLASSES), **initial.options)
    inputs = standardised(features(module, initial.variables, pictures, resolution))
    head = initial.variables["params"][network.head]
    if epochs:
        confident = np.array([row.partition in CLASSES for row in rows])
        classes = np.array([CLASSES.index(row.partition) for row in rows if row.partition in CLASSES], np.int32)
        recipe = ProbabilityRecipe(epochs=epochs, resolution=resolution, seed=seed)
        head = fit_head(head, inputs[confident], classes, recipe, log)
    weights = np.asarray(head["kernel"])
    darkness = inputs @ (weights[:, 0] - weights[:, 1])
    labels: dict[str, Label] = {row.id: "bright" for row in rows}
    darkest = np.argsort(-darkness, kind="stable")[: len(dataset.train_dark)]
    labels.update({rows[index].id: "dark" for index in darkest.tolist()})
    return labels


def standardised(inputs: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    """Scales each feature to mean 0 and standard deviation 1 over the pictures; constant ones become 0."""
    centred = inputs - inputs.mean(0)
    std = centred.std(0)
    return centred / np.where(std > 0, std, 1)

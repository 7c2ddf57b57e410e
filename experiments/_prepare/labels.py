"""Where the labels of a dataset come from: QAB, the classifier F_dark/bright, or a table."""

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import Any

from drujax.data.sources import file_hash
from drujax.errors import UsageError, unknown
from drujax.uncertainty.config import ProbabilityRecipe
from experiments._prepare.arguments import existing


@dataclasses.dataclass(frozen=True)
class Classifier:
    """F_dark/bright: its backbone, initial weights ("imagenet", "none" or a file) and training."""

    backbone: str
    pretrained: str
    recipe: ProbabilityRecipe


def labelling(labels: str, reuse: Path | None, classifier: Classifier) -> dict[str, Any]:
    """Returns the arguments of `drujax.data.prepare.prepare` for --labels and --reuse.

    Raises:
        UsageError: unknown labels or backbone, a missing file, --reuse without the classifier.
    """
    if labels == "classifier":
        return {"labels": "classifier", "reuse": reuse, **_labeller(classifier, trained=reuse is None)}
    if reuse is not None:
        raise UsageError("--reuse: needs --labels=classifier")
    if labels == "qab":
        return {"labels": "qab"}
    if Path(labels).suffix.lower() != ".csv":
        raise unknown("--labels", labels, ["qab", "classifier", "a file.csv"])
    return {"labels": existing("--labels", Path(labels))}


def _labeller(classifier: Classifier, *, trained: bool) -> dict[str, Any]:
    from drujax.models.backbones import BACKBONES
    from drujax.uncertainty.probability import labeller
    from drujax.weights.pretrained.backbones import load_pretrained, results_licence

    if classifier.backbone not in BACKBONES:
        raise unknown("--classifier", classifier.backbone, BACKBONES)
    if classifier.pretrained != "none" and trained:
        load_pretrained(classifier.backbone, classifier.pretrained)  # reports missing weights early
    weights = Path(classifier.pretrained)
    identity = {
        "backbone": classifier.backbone,
        "pretrained": file_hash(weights) if weights.is_file() else classifier.pretrained,
        "recipe": dataclasses.asdict(classifier.recipe),
    }
    if licence := results_licence(classifier.pretrained):
        identity["licence"] = licence
    log = partial(print, file=sys.stderr, flush=True)
    label_uncertain = labeller(classifier.backbone, classifier.pretrained, classifier.recipe, log=log)
    return {"classifier": identity, "label_uncertain": label_uncertain}

"""How the probability network F_q is trained."""

import dataclasses
from typing import Literal

from drujax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ProbabilityRecipe:
    """Training of the probability network. The defaults are the paper's recipe (sec. 4.1), as far as it is stated."""

    # Epochs over the confident training images.
    epochs: int = 80
    # Images per step, at most all. An incomplete last batch of an epoch is dropped.
    batch_size: int = 64
    # Constant learning rate.
    learning_rate: float = 1e-3
    # Momentum of SGD.
    momentum: float = 0.9
    # Optimiser: SGD as in the paper, or Adam, which trains from scratch in few epochs.
    optimiser: Literal["sgd", "adam"] = "sgd"
    # Side to which whole images are resized, without keeping the aspect ratio.
    resolution: int = 224
    # Draws dark and bright images equally often (the smaller class is repeated), so that the prior is even. The paper
    # has 2958 dark and 1848 bright images and does not mention it; collections with far fewer bright ones need it.
    balanced: bool = False
    # Flips half of the images horizontally. The paper mentions no augmentation.
    flip: bool = False
    # If positive, the alpha of mixup (Zhang et al. 2018): trains on blends of two images and their labels, with weights
    # drawn from Beta(alpha, alpha). Images between dark and bright then get probabilities in between, while a network
    # trained from scratch on confident images only predicts 0 or 1. Not in the paper.
    mixup: float = 0.0
    # Trains only the last layer, on features computed once without dropout: minutes instead of hours on a CPU. The
    # result is a linear classifier on ImageNet features (eq. 3 read literally).
    freeze_features: bool = False
    # Fraction of the confident images, whole groups, held out to measure accuracy and calibration.
    held_out: float = 0.2
    # Divides the logits by the maximum-likelihood temperature (Guo et al. 2017) of one half of the held-out groups;
    # calibration is measured on the other half. A fit at the bound of its range, or below 1, is rejected with a
    # message.
    temperature_scaling: bool = False
    # Accepts temperatures below 1, which push the probabilities towards 0 and 1.
    sharpen: bool = False
    # Backbone whose features the centroid alternative uses (the paper's F_dark/bright).
    centroid_features: str = "resnet18"
    # Seed of the initial weights, the shuffling and the held-out groups.
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "resolution"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: must be >= 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise UsageError(f"learning_rate: must be > 0, got {self.learning_rate}")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"held_out: must be >= 0 and < 1, got {self.held_out}")
        if self.mixup < 0:
            raise UsageError(f"mixup: must be >= 0, got {self.mixup}")
        if self.flip and self.freeze_features:
            raise UsageError(
                "flip: cannot be combined with freeze_features, which computes the features of each image once"
            )
        if self.temperature_scaling and self.held_out == 0:
            raise UsageError("temperature_scaling: needs held-out images, but held_out is 0")
        if self.sharpen and not self.temperature_scaling:
            raise UsageError("sharpen: has no effect without temperature_scaling")

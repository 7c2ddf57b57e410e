"""How the probability network F_q is trained."""

import dataclasses
from typing import Literal

from drujax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ProbabilityRecipe:
    """The defaults are the paper's recipe (sec. 4.1), where it says what it does."""

    # Passes over the confident training images.
    epochs: int = 80
    # Images a step; a smaller set is one batch. An incomplete last batch of an epoch is dropped.
    batch_size: int = 64
    # Learning rate, constant.
    learning_rate: float = 1e-3
    # Momentum of SGD.
    momentum: float = 0.9
    # Adam learns from scratch in few epochs; SGD is the paper's.
    optimiser: Literal["sgd", "adam"] = "sgd"
    # Side to which whole images are resized, without keeping the aspect.
    resolution: int = 224
    # Draws dark and bright images equally often (the smaller class is repeated), so that the prior is even. The paper
    # has 2958 dark and 1848 bright images and does not mention it; collections with far fewer bright ones need it.
    balanced: bool = False
    # Mirrors half of the images. The paper mentions no augmentation.
    flip: bool = False
    # Above 0, the alpha of mixup (Zhang et al. 2018): trains on blends of two pictures, in shares drawn from
    # Beta(alpha, alpha), with their labels blended alike. Images between dark and bright then
    # get probabilities in between, where a network trained from scratch on confident images alone answers 0 or 1. The
    # paper does not use it.
    mixup: float = 0.0
    # Trains the last layer alone, on features computed once without dropout: minutes instead of hours on a CPU. The
    # probabilities are then those of a linear classifier of ImageNet features (eq. 3 read literally).
    freeze_features: bool = False
    # Fraction of the confident images, whole groups, held out to measure accuracy and calibration.
    held_out: float = 0.2
    # Divides the logits by the likeliest temperature (Guo et al. 2017) of one half of the held-out groups; calibration
    # is measured on the other half. A fit at the bound of its range, or below 1, is refused with a line.
    temperature_scaling: bool = False
    # Accepts temperatures below 1, which push the probabilities towards 0 and 1.
    sharpen: bool = False
    # Network whose features the centroid alternative uses (the paper's F_dark/bright).
    centroid_features: str = "resnet18"
    # Seed of the initial weights, the shuffles and the held-out groups.
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

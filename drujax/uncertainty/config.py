"""How the probability network F_q is trained."""

import dataclasses
from typing import Literal

from drujax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ProbabilityRecipe:
    """The defaults are the paper's recipe (sec. 4.1), where it says what it does."""

    # Passes over the confident training pictures.
    epochs: int = 80
    # Pictures a step; a smaller set is one batch. The rest of an epoch that fills no batch is left to the next shuffle.
    batch_size: int = 64
    # Constant.
    learning_rate: float = 1e-3
    # Of SGD.
    momentum: float = 0.9
    # Adam learns from scratch in few epochs; SGD is the paper's.
    optimiser: Literal["sgd", "adam"] = "sgd"
    # Side to which whole pictures are resized, the aspect not kept.
    resolution: int = 224
    # Draws dark and bright pictures equally often (the scarcer class is repeated), so that the prior is even. The paper
    # has 2958 dark and 1848 bright pictures and mentions no such thing; collections with far fewer bright ones need it.
    balanced: bool = False
    # Mirrors half of the pictures. The paper mentions no augmentation.
    flip: bool = False
    # Above 0, the alpha of mixup (Zhang et al. 2018): trains on blends of two pictures, in shares drawn from
    # Beta(alpha, alpha), with their labels blended alike. What lies between dark and bright is then told by degree,
    # where a network from scratch that saw confident pictures alone answers two constants. The paper has no such thing.
    mixup: float = 0.0
    # Trains the last layer alone, on features computed once without dropout: minutes instead of hours on a CPU. The
    # probabilities are then those of a linear classifier of ImageNet features (eq. 3 read literally).
    freeze_features: bool = False
    # Share of the confident groups that is not trained on but measures accuracy and calibration.
    held_out: float = 0.2
    # Divides the logits by the likeliest temperature (Guo et al. 2017) of one half of the held-out groups; calibration
    # is measured on the other half. A fit at the bound of its range, or below 1, is refused with a line.
    temperature_scaling: bool = False
    # Accepts temperatures below 1, which push the probabilities towards 0 and 1.
    sharpen: bool = False
    # Network whose features the centroid alternative uses (the paper's F_dark/bright).
    centroid_features: str = "resnet18"
    # Of the initial weights, the shuffles and the held-out groups.
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "resolution"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise UsageError(f"learning_rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.held_out < 1:
            raise UsageError(f"held_out must be a share from 0 to below 1, not {self.held_out}")
        if self.mixup < 0:
            raise UsageError(f"mixup must be 0 (off) or above, not {self.mixup}")
        if self.flip and self.freeze_features:
            raise UsageError(
                "flip and freeze_features exclude each other: features are computed once, of one picture each"
            )
        if self.temperature_scaling and self.held_out == 0:
            raise UsageError("temperature_scaling: needs held-out pictures, but held_out is 0")
        if self.sharpen and not self.temperature_scaling:
            raise UsageError("sharpen: has no effect without temperature_scaling")

"""Training options that all methods share."""

import dataclasses
import math
from typing import Literal

from drujax.errors import UsageError, check_at_least


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Data, schedule and optimiser of a training run; the defaults are the official EnlightenGAN's."""

    # Side of the training images in pixels.
    size: int = 320
    # Random crops of that size, or whole images resized to it (aspect ratio not kept).
    view: Literal["crop", "whole"] = "crop"
    # Shorter side to which pictures are resized before they are cropped; by default they are cropped as they are.
    short_side: int | None = None
    # Flip half of the images horizontally, and half vertically.
    flips: bool = True
    # Dark images per step, and as many bright ones.
    batch_size: int = 32
    # Epochs at a constant learning rate.
    constant_epochs: int = 100
    # Epochs of linear decay of the learning rate to zero, after the constant ones.
    decay_epochs: int = 100
    # Training steps; the schedule is scaled to fit. By default computed from the epochs and the size of the dataset.
    steps: int | None = None
    # Learning rate of the enhancement network.
    learning_rate: float = 1e-4
    # Pairing of dark and bright images: random in each epoch, or fixed as in the official EnlightenGAN.
    pairing: Literal["random", "official"] = "random"
    # Which losses to use where a compared method's official code and paper differ (docs/method.md).
    loss_form: Literal["official", "paper"] = "official"
    # Decay of an exponential moving average of the weights, which is then used for samples and export.
    ema_decay: float | None = None

    def __post_init__(self):
        check_at_least(1, size=self.size, batch_size=self.batch_size, steps=self.steps, short_side=self.short_side)
        check_at_least(0, constant_epochs=self.constant_epochs, decay_epochs=self.decay_epochs)
        if self.constant_epochs + self.decay_epochs == 0:
            raise UsageError("constant_epochs: must be >= 1 if decay_epochs is 0, got 0")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"learning_rate: must be positive and finite, got {self.learning_rate}")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise UsageError(f"ema_decay: must be between 0 and 1, got {self.ema_decay}")


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """Intervals, in steps, at which a run writes its files."""

    # Steps between two lines of metrics.jsonl; each is the mean since the previous one.
    log_every: int = 50
    # Steps between two sample grids.
    sample_every: int = 1000
    # Steps between two checkpoints, the most that a killed run loses.
    save_every: int = 1000
    # Number of checkpoints to keep; older ones are deleted.
    keep_checkpoints: int = 3
    # Write TensorBoard events in addition to metrics.jsonl.
    tensorboard: bool = False

    def __post_init__(self):
        check_at_least(
            1,
            log_every=self.log_every,
            sample_every=self.sample_every,
            save_every=self.save_every,
            keep_checkpoints=self.keep_checkpoints,
        )

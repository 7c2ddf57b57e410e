"""The learning rate over a run."""

import jax.numpy as jnp
import optax


def linear_decay(
    base: float, steps_per_epoch: float, constant_epochs: int = 100, decay_epochs: int = 100
) -> optax.Schedule:
    """The official EnlightenGAN schedule: constant, then falling once per epoch towards zero.

    With the official 100 + 100 epochs, epochs 1 to 101 train at `base` and epoch e > 101 at
    base * (1 - (e - 101) / 100), so that the last one trains at base / 100 and not at zero.

    `steps_per_epoch` may be a fraction: a run of n steps in all has n / (constant_epochs + decay_epochs).
    """

    def learning_rate(step):
        finished_epochs = jnp.floor(step / steps_per_epoch)
        return base * (1 - jnp.clip((finished_epochs - constant_epochs) / max(decay_epochs, 1), 0, 1))

    return learning_rate

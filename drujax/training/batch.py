"""Preprocessing of a batch from the data pipeline, on the device, inside the training step.

To keep transfers small, a batch holds uint8 crops, the darkening factor t of each dark image, and the images' indices
in their partitions, by which the relativistic probabilities are gathered from tables that stay on the device.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.generator import attention_map
from drujax.pictures.color import luma

Batch = dict[str, Any]  # dark, bright: UInt8 b s s 3; darkening: Float32 b; dark_index, bright_index: Int32 b
Probabilities = dict[str, Any]  # dark: Float32 n; bright: Float32 m


class Inputs(NamedTuple):
    """A batch of images in [-1, 1]."""

    dark: Float[Array, "b h w 3"]  # as read, the reference of the losses
    darkened: Float[Array, "b h w 3"]  # the generator's input: dark images, half of them darkened further
    attention: Float[Array, "b h w 1"]  # of the darkened images, in [0, 1]
    bright: Float[Array, "b h w 3"]


class Weights(NamedTuple):
    """Relativistic probabilities of the images of a batch."""

    dark: Float[Array, " b"]  # RP_d
    bright: Float[Array, " b"]  # RP_b


def prepare(batch: Batch) -> Inputs:
    """Converts uint8 to [-1, 1] and darkens: the generator's input is the dark image's intensity divided by t.

    Uses JAX's default float dtype, so that tests can run a whole step in float64.
    """
    dark, bright = (jnp.asarray(batch[name], float) / 127.5 - 1 for name in ("dark", "bright"))
    darkened = (dark + 1) / batch["darkening"][:, None, None, None] - 1
    return Inputs(dark, darkened, attention_map(darkened), bright)


def unit_images(batch: Batch) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"]]:
    """Returns the dark and the bright images in [0, 1], not darkened, for the compared methods."""
    dark, bright = (jnp.asarray(batch[name], float) / 255 for name in ("dark", "bright"))
    return dark, bright


def mean_luma(images: Float[Array, "b h w 3"]) -> Float[Array, ""]:
    """Mean ITU-R 601 luma, 0..255, of images in [0, 1]."""
    return 255 * luma(images).mean()


def example_weights(batch: Batch, rp: Probabilities | None) -> Weights:
    """Gathers the batch's relativistic probabilities; without tables all weights are 1 (Vanilla EnlightenGAN).

    An index beyond its table gives NaN, at which the training loop stops.
    """
    if rp is None:
        # Not constants: XLA would fold ones into the losses, which then round differently than with a table of 1.
        dark, bright = (jnp.where(batch[f"{name}_index"] < 0, jnp.nan, 1.0) for name in ("dark", "bright"))
        return Weights(dark, bright)
    return Weights(
        *(
            rp[name].at[batch[f"{name}_index"]].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
            for name in ("dark", "bright")
        )
    )

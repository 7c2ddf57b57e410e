"""From the batch that the data pipeline sends to what a training step computes with, on the device.

A batch travels as bytes (see `drujax.data`): uint8 crops, the darkening t of each dark picture, and the pictures'
positions in their partitions, by which the relativistic probabilities are found in a table that stays on the device.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from drujax.models.generator import attention_map
from drujax.pictures.color import luma

Batch = dict[str, Any]  # dark, bright: UInt8 b s s 3; darkening: Float32 b; dark_index, bright_index: Int32 b
Probabilities = dict[str, Any]  # dark: Float32 n; bright: Float32 m


class Inputs(NamedTuple):
    """One batch of pictures in [-1, 1]."""

    dark: Float[Array, "b h w 3"]  # as read: what the losses compare with
    darkened: Float[Array, "b h w 3"]  # what the generator gets: dark, half of them darkened further
    attention: Float[Array, "b h w 1"]  # of the darkened pictures, in [0, 1]
    bright: Float[Array, "b h w 3"]


class Weights(NamedTuple):
    """Relativistic probabilities of the pictures of a batch."""

    dark: Float[Array, " b"]  # RP_d
    bright: Float[Array, " b"]  # RP_b


def prepare(batch: Batch) -> Inputs:
    """uint8 to [-1, 1], and the darkening: the generator's input has 1/t of the dark picture's light.

    In JAX's default float, so that tests can have all of a step in float64.
    """
    dark, bright = (jnp.asarray(batch[name], float) / 127.5 - 1 for name in ("dark", "bright"))
    darkened = (dark + 1) / batch["darkening"][:, None, None, None] - 1
    return Inputs(dark, darkened, attention_map(darkened), bright)


def pictures(batch: Batch) -> tuple[Float[Array, "b h w 3"], Float[Array, "b h w 3"]]:
    """The dark and the bright pictures in [0, 1], as read: what the compared methods train on."""
    dark, bright = (jnp.asarray(batch[name], float) / 255 for name in ("dark", "bright"))
    return dark, bright


def mean_luma(images: Float[Array, "b h w 3"]) -> Float[Array, ""]:
    """Mean ITU-R 601 luma, 0..255, of pictures in [0, 1]."""
    return 255 * luma(images).mean()


def example_weights(batch: Batch, rp: Probabilities | None) -> Weights:
    """The batch's entries of the tables; 1 for all pictures without tables, which is Vanilla EnlightenGAN.

    An index beyond its table gives NaN, which the training loop stops at.
    """
    if rp is None:
        # Behind a barrier: XLA would fold them into the losses and round otherwise than with a table of ones.
        ones = jax.lax.optimization_barrier(jnp.ones(batch["dark_index"].shape, jnp.float32))
        return Weights(ones, ones)
    return Weights(
        *(
            rp[name].at[batch[f"{name}_index"]].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
            for name in ("dark", "bright")
        )
    )

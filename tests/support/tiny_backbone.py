"""A backbone small enough to train within a test."""

import contextlib
from collections.abc import Iterator

import flax.linen as nn
import pytest

from drujax.models.backbones import BACKBONES, Backbone
from drujax.models.layers.norm import BatchNorm


class Tiny(nn.Module):
    """One convolution with batch norm."""

    num_classes: int

    @nn.compact
    def __call__(self, x, *, train: bool, features: bool = False):
        x = nn.Conv(4, (3, 3), strides=2, use_bias=False, name="conv")(x)
        x = nn.relu(BatchNorm(name="bn")(x, train=train)).mean((1, 2))
        return x if features else nn.Dense(self.num_classes, name="fc")(x)


@contextlib.contextmanager
def tiny_backbone() -> Iterator[str]:
    """Registers it with the six backbones and yields its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "tiny", Backbone("tiny", Tiny, 4, "fc"))
        yield "tiny"

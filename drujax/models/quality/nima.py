"""NIMA's networks: backbone, global average pooling, linear layer, softmax over the ratings 1..10.

Talebi and Milanfar, "NIMA: Neural Image Assessment", IEEE TIP 27(8), 2018.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from drujax.models.quality.inception_resnet_v2 import InceptionResNetV2
from drujax.models.quality.mobilenet_v1 import MobileNetV1

RATINGS = 10


class InceptionNIMA(nn.Module):
    """IQA-PyTorch's default `nima`: images b 299 299 3 in [-1, 1] -> probabilities b 10."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b 10"]:
        pooled = InceptionResNetV2(name="base_model")(x).mean((1, 2))
        self.sow("intermediates", "pooled", pooled)
        logits = nn.Dense(RATINGS, name="classifier.2")(pooled)
        self.sow("intermediates", "logits", logits)
        return nn.softmax(logits)


class MobileNetNIMA(nn.Module):
    """idealo's network, after titu1994's: images b 224 224 3 in [-1, 1] -> probabilities b 10."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b 10"]:
        pooled = MobileNetV1(name="mobilenet")(x).mean((1, 2))
        return nn.softmax(nn.Dense(RATINGS, name="dense")(pooled))

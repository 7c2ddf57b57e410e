"""Backbones of the probability network F_q (paper, sec. 4.1), by name.

Modules are called as `module.apply(variables, x, train=False)` with float `x`, `b h w 3`, in ImageNet normalisation.
They return logits `b num_classes`, or with `features=True` the input of the last linear layer, `b features`. Submodules
have torchvision's names, so that its checkpoints convert by a table of suffixes
(`drujax.weights.pretrained.backbones`).

To add a backbone, write a module with rows `BACKBONES` and add the module to the table below.
"""

from drujax.models.backbones import mobilenet_v2, resnet, vgg, vit
from drujax.models.backbones.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone, normalise

__all__ = ["BACKBONES", "IMAGENET_MEAN", "IMAGENET_STD", "Backbone", "normalise"]

BACKBONES = {backbone.name: backbone for family in (resnet, mobilenet_v2, vgg, vit) for backbone in family.BACKBONES}

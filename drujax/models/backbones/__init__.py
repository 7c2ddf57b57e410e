"""The backbones of the probability network F_q (paper, sec. 4.1), by name.

Modules are called as `module.apply(variables, x, train=False)` with `x` float `b h w 3` in ImageNet normalisation, and
return logits `b num_classes`, or the input of the last linear layer `b features` with `features=True`. Submodules have
torchvision's names, so that its checkpoints map by a table of suffixes (`drujax.weights.pretrained.backbones`).

A backbone is one module with its rows `BACKBONES`; its line in the table below is all else that it takes.
"""

from drujax.models.backbones import mobilenet_v2, resnet, vgg, vit
from drujax.models.backbones.backbone import IMAGENET_MEAN, IMAGENET_STD, Backbone, normalise

__all__ = ["BACKBONES", "IMAGENET_MEAN", "IMAGENET_STD", "Backbone", "normalise"]

BACKBONES = {backbone.name: backbone for family in (resnet, mobilenet_v2, vgg, vit) for backbone in family.BACKBONES}

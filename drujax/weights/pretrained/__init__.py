"""Pretrained weights of backbones, CLIP and VGG16, as variables of drujax's networks."""

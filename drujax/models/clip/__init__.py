"""CLIP (Radford et al., ICML 2021; official code openai/CLIP at d05afc43): pictures and texts in one space of features.

CLIP-LIT judges with ViT-B/32 how well lit a picture is, by two learned prompts, and with RN101 whether it still shows
the same. The networks are for inference, and for gradients to pictures and prompts. `pretrained.py` has their
variables.
"""

from drujax.models.clip.resnet import ModifiedResNet
from drujax.models.clip.transformer import TextTransformer, VisionTransformer

__all__ = ["ModifiedResNet", "TextTransformer", "VisionTransformer"]

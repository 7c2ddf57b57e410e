"""CLIP (Radford et al., ICML 2021; official code openai/CLIP at d05afc43): a joint embedding of images and texts.

CLIP-LIT uses ViT-B/32 with two learned prompts to judge how well lit an image is, and RN101 to compare its content
before and after. The networks support inference, and gradients with respect to images and prompts.
`drujax.weights.pretrained.clip` loads their weights.
"""

from drujax.models.clip.resnet import ModifiedResNet
from drujax.models.clip.transformer import TextTransformer, VisionTransformer

__all__ = ["ModifiedResNet", "TextTransformer", "VisionTransformer"]

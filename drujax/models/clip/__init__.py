"""CLIP (Radford et al., ICML 2021; official code openai/CLIP at d05afc43): a joint embedding of images and texts.

CLIP-LIT uses ViT-B/32 with two learned prompts to classify images as backlit or well lit, and RN101 to compare their
content before and after enhancement. The networks support inference, and gradients with respect to images and prompts.
`drujax.weights.pretrained.clip` loads their weights.
"""

from drujax.models.clip.resnet import ModifiedResNet
from drujax.models.clip.transformer import TextTransformer, VisionTransformer

__all__ = ["ModifiedResNet", "TextTransformer", "VisionTransformer"]

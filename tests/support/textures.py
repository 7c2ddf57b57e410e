"""Structured pictures that are quick to generate."""

import numpy as np
from PIL import Image


def texture(seed: int, size: tuple[int, int] = (72, 128), top: int = 255) -> Image.Image:
    """Smooth random patches in levels 0..top; two seeds differ as two scenes do."""
    patches = np.random.default_rng(seed).integers(0, top, (7, 9, 3), endpoint=True, dtype=np.uint8)
    return Image.fromarray(patches).resize((size[1], size[0]), Image.Resampling.BICUBIC)

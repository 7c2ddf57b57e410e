"""Image quality: no-reference metrics, full-reference metrics, luminance and colour statistics.

    from drujax import metrics

    metrics.brisque(images)  # (b, h, w, 3) or (h, w, 3), uint8 or floating in [0, 1] -> (b,)

    metrics.ssim(images, truth)  # likewise psnr, ms_ssim, loe

    metrics.pair_columns(enhanced, dark, bright)  # exposure, structure and colour of one picture, beside the day's
    metrics.picture_faults(enhanced, dark)  # what enhancing spoils: blots, flat darks, lifted black, ...

`drujax.metrics.registry` lists the no-reference metrics with their direction, smallest image size and weights.
"""

# Imported eagerly: a lazily imported function would be shadowed by the module of the same name.
from drujax.metrics.brisque import brisque
from drujax.metrics.exposure import pair_columns
from drujax.metrics.exposure_faults import picture_faults
from drujax.metrics.loe import loe
from drujax.metrics.luminance_stats import clipped, colourfulness, mean_luma
from drujax.metrics.ma import ma
from drujax.metrics.ms_ssim import ms_ssim
from drujax.metrics.nima import nima
from drujax.metrics.niqe import niqe
from drujax.metrics.pi import pi
from drujax.metrics.piqe import piqe
from drujax.metrics.ssim import psnr, ssim

__all__ = [
    "brisque",
    "clipped",
    "colourfulness",
    "loe",
    "ma",
    "mean_luma",
    "ms_ssim",
    "nima",
    "niqe",
    "pair_columns",
    "pi",
    "picture_faults",
    "piqe",
    "psnr",
    "ssim",
]

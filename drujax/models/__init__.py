"""Networks (Flax Linen), with the submodule names of the published checkpoints."""

from typing import TYPE_CHECKING

from drujax.runtime.lazy import exports

if TYPE_CHECKING:
    from drujax.models import clip, layers, quality
    from drujax.models.backbones import BACKBONES
    from drujax.models.clip_lit import CLIPLIT
    from drujax.models.discriminator import PatchDiscriminator
    from drujax.models.generator import Generator, attention_map
    from drujax.models.pairlie import PairLIE
    from drujax.models.perceptual import VGG16Features
    from drujax.models.ruas import RUAS
    from drujax.models.sci import SCI
    from drujax.models.zero_dce import ZeroDCE
    from drujax.models.zero_dce_pp import ZeroDCEpp

__all__ = [
    "BACKBONES",
    "CLIPLIT",
    "Generator",
    "PairLIE",
    "PatchDiscriminator",
    "RUAS",
    "SCI",
    "VGG16Features",
    "ZeroDCE",
    "ZeroDCEpp",
    "attention_map",
    "clip",
    "layers",
    "quality",
]

__getattr__, __dir__ = exports(
    __name__,
    __all__,
    {
        "backbones": ["BACKBONES"],
        "clip_lit": ["CLIPLIT"],
        "discriminator": ["PatchDiscriminator"],
        "generator": ["Generator", "attention_map"],
        "pairlie": ["PairLIE"],
        "perceptual": ["VGG16Features"],
        "ruas": ["RUAS"],
        "sci": ["SCI"],
        "zero_dce": ["ZeroDCE"],
        "zero_dce_pp": ["ZeroDCEpp"],
    },
)

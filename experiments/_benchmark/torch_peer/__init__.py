"""The peer of `experiments.benchmark --peer=torch`: the methods in PyTorch, computed as in their official codes.

One file per method, written from its paper and the behaviour of its official code. The networks load drujax's
variables, so that both sides use the same weights.

Imported on request only; PyTorch is not a dependency of drujax.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch  # pyright: ignore[reportMissingImports]

from experiments._benchmark.torch_peer import clip_lit, enlightengan, ruas, sci, zero_dce_pp
from experiments._benchmark.torch_peer.common import Enhancer

__all__ = ["NETWORKS", "VERSION", "Enhancer", "clip_lit", "enlightengan", "ruas", "sci", "zero_dce_pp"]

VERSION = torch.__version__

# By the names of `drujax.methods.registry.networks`: options -> the network.
NETWORKS: Mapping[str, Callable[[Mapping[str, Any]], torch.nn.Module]] = {
    "enlightengan": lambda options: enlightengan.Generator(options["width"]),
    "zero_dce_pp": lambda options: zero_dce_pp.ZeroDCEpp(ratio=options["ratio"], features=options["features"]),
    "sci": lambda _: sci.SCI(),
    "ruas": lambda options: ruas.RUAS(denoise=options["denoise"]),
    "clip_lit": lambda options: clip_lit.CLIPLIT(padding=options["padding"], epsilon=options["epsilon"]),
}

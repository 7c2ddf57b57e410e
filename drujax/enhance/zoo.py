"""Weights with a name, and the network that each is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drujax.errors import unknown
from drujax.methods.networks import NETWORKS
from drujax.weights.download import describe
from drujax.weights.table import find as find_file

DEFAULT_MODEL = "dru-mobilenet-v2"


@dataclass(frozen=True)
class Model:
    """Weights with a name: of a row of `NETWORKS`, under `licence`; `obtain` tells whoever lacks them what to do.

    Of weights that others have released, `file` is the checkpoint's row in `drujax.weights.table`, and `options` are
    those with which its authors use it.
    """

    network: str
    what: str
    licence: str
    obtain: str
    file: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def network_called(name: str) -> str:
    """The row of `NETWORKS` that `name` means: its own name, or that of a model which is such a network."""
    network = MODELS[name].network if name in MODELS else name
    if network in NETWORKS:
        return network
    raise unknown("--model", name, [*NETWORKS, *MODELS])


def _train(backbone: str) -> str:
    return f"Train it: python -m experiments.train --data=DIR --backbone={backbone}; its workdir serves as --model."


def _dru(backbone: str) -> Model:
    return Model(
        network="enlightengan",
        what=f"DRU-EnlightenGAN, uncertainty from {backbone}",
        licence="Apache-2.0",
        obtain=_train(backbone),
    )


def _released(name: str, network: str, what: str, **options: Any) -> Model:
    """Weights of the method's authors, which are downloaded and converted when they are first asked for."""
    checkpoint = f"{name}-official"
    file = find_file(checkpoint)
    return Model(network, what, file.licence, f"Downloaded when it is used: {describe(file)}", checkpoint, options)


MODELS = {
    "dru-resnet18": _dru("resnet18"),
    "dru-resnet50": _dru("resnet50"),
    "dru-mobilenet-v2": _dru("mobilenet_v2"),
    "dru-vgg13-bn": _dru("vgg13_bn"),
    "dru-vgg19": _dru("vgg19"),
    "dru-vit-b16": _dru("vit_b16"),
    "enlightengan": Model(
        network="enlightengan",
        what="Vanilla EnlightenGAN, trained on the same data",
        licence="Apache-2.0",
        obtain=_train("none"),
    ),
    "sci-easy": _released("sci-easy", "sci", "SCI's weights for easy pictures"),
    "sci-medium": _released("sci-medium", "sci", "SCI's weights for medium pictures"),
    "sci-difficult": _released("sci-difficult", "sci", "SCI's weights for difficult pictures"),
    "zero-dce-pp": _released("zero-dce-pp", "zero_dce_pp", "Zero-DCE++'s released weights"),
    "ruas-lol": _released("ruas-lol", "ruas", "RUAS's weights from LOL"),
    # The official test removes noise with the weights from LOL alone.
    "ruas-upe": _released("ruas-upe", "ruas", "RUAS's weights from MIT-5K", denoise=False),
    "ruas-dark": _released("ruas-dark", "ruas", "RUAS's weights from DarkFace", denoise=False),
    "clip-lit": _released("clip-lit", "clip_lit", "CLIP-LIT's released weights"),
}

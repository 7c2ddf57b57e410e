"""CartoonGAN (Chen et al., CVPR 2018): photographs in the manner of four directors' films."""

import re

from drujax.models.translators.cartoongan import CartoonGAN
from drujax.runtime.remote_file import File
from drujax.translators.spec import State, TranslatorSpec, width

STYLES = ("Shinkai", "Hayao", "Hosoda", "Paprika")
HOST = "http://vllab1.ucmerced.edu/~yli62/CartoonGAN/pytorch_pth"
TRANSPOSED = ("deconv01_1.weight", "deconv02_1.weight")  # stored (in, out), unlike convolutions


def _usual_names(state: State) -> State:
    usual = {re.sub(r"\.shift$", ".bias", re.sub(r"\.scale$", ".weight", name)): name for name in state}
    return {new: state[old].swapaxes(0, 1) if new in TRANSPOSED else state[old] for new, old in usual.items()}


def _file(style: str) -> File:
    filename = f"{style}_net_G_float.pth"
    return File(
        f"cartoongan-{style.lower()}",
        f"CartoonGAN's generator, style {style}",
        f"{HOST}/{filename}",
        f"CartoonGAN-{filename}",
        44_600_000,
        None,
        "none stated by CartoonGAN's authors",
        manual=True,  # its host offers http alone, and no hash is known: a program should not trust what it gets
    )


SPEC = TranslatorSpec(
    summary="CartoonGAN: a ResNet with eight blocks; Shinkai, Hayao (Miyazaki), Hosoda, or Paprika (Kon)",
    build=lambda state: CartoonGAN(features=width(state, "conv01_1", 64)),
    names=_usual_names,
    channels="bgr",
    files=tuple(map(_file, STYLES)),
    obtain="the same arrays as a folder of .npy files are in github.com/mnicnc404/CartoonGan-tensorflow, "
    "style_transfer/cartoongan/pretrained_weights (--weights=FOLDER)",
)

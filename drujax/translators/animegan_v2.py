"""AnimeGANv2: a small, fast network; photographs in the colours of Paprika (Kon)."""

from drujax.models.translators.animegan_v2 import AnimeGANv2
from drujax.runtime.remote_file import File, github_file
from drujax.translators.spec import TranslatorSpec

COMMIT = "25d7b017267208dfaf34026aa3425e518372aa2f"
LICENCE = "MIT (the PyTorch port); the weights are AnimeGANv2's: non-commercial"


def _file(name: str, what: str) -> File:
    port = "bryandlee/animegan2-pytorch"
    size = 8_600_000
    return github_file(
        f"animegan-v2-{name.replace('_', '-')}",
        f"AnimeGANv2's generator, {what}",
        port,
        COMMIT,
        f"weights/{name}.pt",
        f"animegan2-{name}.pt",
        licence=LICENCE,
        size=size,
    )


SPEC = TranslatorSpec(
    summary="AnimeGANv2: inverted residual blocks, a fifth of the others' size; Paprika (Kon)",
    build=lambda state: AnimeGANv2(),
    files=(_file("paprika", "style Paprika"), _file("face_paint_512_v2", "for portraits")),
    obtain="convert TachibanaYoshino/AnimeGANv2's (Hayao, Shinkai) with the port's convert_weights.py",
)

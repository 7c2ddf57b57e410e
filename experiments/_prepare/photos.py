"""Translates photographs into anime pictures, as a source for the dataset (sec. 3.1 of the paper).

    python -m experiments.prepare photos --source=photos/ --out=pseudo/
    python -m experiments.prepare photos --source=photos/ --out=pseudo/ --translator=scenimefy --weights=net_G.pth
    python -m experiments.prepare photos --source=tfds:cycle_gan/monet2photo:trainB --out=pseudo/
    python -m experiments.prepare --source=frames/ --source=pseudo/ --out=data/

docs/translators.md lists the translators and where their weights come from. Run again to continue an interrupted run.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drujax.console import command_line, output
from drujax.translators.sizes import LIMIT

if TYPE_CHECKING:
    from drujax.translators import Summary


@dataclasses.dataclass(frozen=True)
class Photos:
    """Translates photographs into anime pictures: scenimefy, cartoongan or animegan_v2 (docs/translators.md)."""

    # Folder of photographs, searched recursively; or tfds:NAME:SPLIT, a split of a dataset of tensorflow-datasets,
    # which is downloaded once.
    source: str
    # Folder to write: a PNG for each photograph, with its subfolder and name. Pictures that exist are kept.
    out: Path
    # Network: scenimefy, cartoongan or animegan_v2.
    translator: str = "cartoongan"
    # Its weights: a checkpoint (.pth, .pt, .npz, .safetensors), a folder of .npy files, or a name that drujax models
    # lists, such as cartoongan-hayao, which is downloaded once. By default the first of the translator's.
    weights: str | None = None
    # Photographs with a longer short side are reduced to it (pixels), and panoramas to twice its square. Memory grows
    # with the square: a gigabyte or two at 1024.
    limit_size: int = LIMIT
    # Folder where tfds keeps its datasets. By default TFDS_DATA_DIR, or ~/tensorflow_datasets.
    data_dir: Path | None = None


@command_line.flags_in_errors(Photos)
def main(arguments: Sequence[str]) -> int:
    """Translates photographs; returns 1 if some were skipped as unreadable."""
    config = command_line.parse(Photos, arguments, program="prepare photos")
    from drujax.runtime.compile_cache import enable_compilation_cache
    from drujax.translators import translate_photos

    enable_compilation_cache()
    summary = translate_photos(
        config.source,
        config.out,
        translator=config.translator,
        weights=config.weights,
        limit_size=config.limit_size,
        data_dir=config.data_dir,
    )
    return 0 if report(summary) else 1


def report(summary: "Summary") -> bool:
    """Prints what was translated; returns whether all could be read."""
    for line in str(summary).splitlines():
        output.say(line)
    return not summary.failures

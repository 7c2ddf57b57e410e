"""Before/after grids: one row a picture, the input and what each model makes of it, with labels.

    python -m experiments.figures --out=grid.png                                   # the default model, painted scenes
    python -m experiments.figures --model=dru-mobilenet-v2 --model=enlightengan --input=frames/ --out=grid.png

Two seconds a picture and model on two cores.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from drujax import entry
from drujax.errors import UsageError
from drujax.images import Picture, pictures_of, read_picture, to_float, to_uint8, write_picture
from drujax.weights.models import DEFAULT_MODEL

LABEL_HEIGHT = 28
GAP = 4


@dataclasses.dataclass(frozen=True)
class Config:
    """Draws a before/after grid."""

    # Picture to write.
    out: Path
    # Name of a model, weights file or folder of a run (repeatable); by default drujax's own.
    model: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    # Picture or folder (repeatable); without it, dark synthetic scenes beside their bright truth.
    input: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    # Rows at most; the pictures of a folder are taken at equal distances.
    rows: int = 6
    # Width of one picture in the grid.
    width: int = 400
    # Seed of the synthetic scenes; not the one that runs train on.
    seed: int = 7


def main(config: Config) -> int:
    """Writes the grid."""
    from drujax.compilation import enable_compilation_cache
    from drujax.enhance import Enhancer

    for name, value in (("--rows", config.rows), ("--width", config.width)):
        if value < 1:
            raise UsageError(f"{name}: {value} is under 1.")
    enable_compilation_cache()
    models = config.model or (DEFAULT_MODEL,)
    enhancers = [Enhancer(model) for model in models]
    columns = ["input", *(Path(model).stem for model in models)]
    if not config.input:
        columns.append("same scene in bright light")
    rows = []
    for dark, truth in _given(config) if config.input else _scenes(config):
        pictures = [dark, *(enhance(dark) for enhance in enhancers), *([] if truth is None else [truth])]
        rows.append([_fitted(picture, config.width) for picture in pictures])
    write_picture(config.out, Picture(draw(columns, rows)))
    print(config.out)
    return 0


def draw(labels: list[str], rows: list[list[UInt8[np.ndarray, "_ w 3"]]]) -> UInt8[np.ndarray, "height width 3"]:
    """The grid: `labels` above the columns, pictures of one width; those of a row have one height."""
    width = rows[0][0].shape[1]
    step = width + GAP
    height = LABEL_HEIGHT + sum(row[0].shape[0] + GAP for row in rows) - GAP
    canvas = Image.new("RGB", (step * len(labels) - GAP, height), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(15)
    for column, label in enumerate(labels):
        pen.text((column * step + width / 2, LABEL_HEIGHT / 2), label, fill="black", font=font, anchor="mm")
    top = LABEL_HEIGHT
    for row in rows:
        for column, picture in enumerate(row):
            canvas.paste(Image.fromarray(picture), (column * step, top))
        top += row[0].shape[0] + GAP
    return np.asarray(canvas)


def _scenes(config: Config):
    """Dark scenes and their truth."""
    from drujax.data.scenes import pair

    size = (round(config.width * 9 / 16), config.width)
    return (pair(config.seed, index, size) for index in range(config.rows))


def _given(config: Config):
    """The user's pictures, without a truth."""
    from drujax.evaluation import spread

    paths = [path for given in config.input for path in pictures_of(given)]
    for position in spread(len(paths), config.rows):
        rgb = read_picture(paths[position]).rgb
        yield (rgb if rgb.dtype == np.uint8 else to_uint8(to_float(rgb))), None


def _fitted(picture: UInt8[np.ndarray, "_ _ 3"], width: int) -> UInt8[np.ndarray, "_ {width} 3"]:
    h, w, _ = picture.shape
    if w == width:
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, max(1, round(h * width / w))), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    sys.exit(
        entry.run(lambda: main(entry.parse(Config, sys.argv[1:], program="experiments.figures")), "experiments.figures")
    )

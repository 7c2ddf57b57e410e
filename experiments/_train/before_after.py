"""The last picture of a run: what `drujax enhance` makes of dark pictures with its weights."""

import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.enhance.enhancer import Enhancer
from drujax.pictures.io import write_picture
from drujax.pictures.picture import Picture

ROWS, HEIGHT, GAP = 6, 192, 4  # of a row, and between pictures, in pixels


def show_result(weights: Path, dataset: Dataset) -> None:
    """Prints where a run's weights are, and what they make of dark pictures."""
    print(weights, flush=True)
    picture = weights.with_name("enhanced.png")
    write_before_after(picture, weights, dataset)
    print(f"Before and after: {picture}\nTry it: drujax enhance DARK_PICTURE --model={weights.parent}")


def write_before_after(path: Path, weights: Path, dataset: Dataset) -> None:
    """Writes a PNG with a row for each of up to six dark images, of validation, test and then training: before, after.

    Raises:
        UsageError: the weights give NaN.
        OSError: the file cannot be written.
    """
    enhancer = Enhancer(weights, runtime="jax")
    splits = (dataset.val_dark, dataset.test_dark, dataset.train_dark)
    images = (split.image(index) for split in splits for index in range(len(split)))
    rows = [_row(image, enhancer(image)) for image in itertools.islice(images, ROWS)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    write_picture(path, Picture(rgb=np.concatenate(padded)))


def _row(*images: np.ndarray) -> np.ndarray:
    return np.concatenate([np.pad(_resized(x), ((0, 0), (0, GAP), (0, 0)), constant_values=255) for x in images], 1)


def _resized(image: np.ndarray) -> np.ndarray:
    width = max(1, round(image.shape[1] * HEIGHT / image.shape[0]))
    return np.asarray(Image.fromarray(image).resize((width, HEIGHT), Image.Resampling.LANCZOS))

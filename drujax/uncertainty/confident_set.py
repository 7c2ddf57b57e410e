"""Confident images for the probability network: whole, resized once, split by group."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, UInt8
from PIL import Image

from drujax.data.splits import choose_groups
from drujax.errors import UsageError

CLASSES = ("dark", "bright")  # the order of the outputs: 0 dark, 1 bright


class Example(NamedTuple):
    """An image, its class (index in CLASSES) and its source group, which is never split."""

    image: UInt8[np.ndarray, "h w 3"]
    label: int
    group: str


@dataclass(frozen=True)
class Examples:
    """Resized images in memory."""

    images: UInt8[np.ndarray, "n s s 3"]
    labels: Int32[np.ndarray, " n"]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Bool[np.ndarray, " n"]) -> "Examples":
        """Selects the examples that `mask` marks."""
        groups = [group for group, kept in zip(self.groups, mask, strict=True) if kept]
        return Examples(self.images[mask], self.labels[mask], groups)

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples of each class."""
        return {name: int((self.labels == label).sum()) for label, name in enumerate(CLASSES)}


def confident_examples(dataset: Any) -> Iterator[Example]:
    """Yields the confident images of the training splits of a `drujax.data.dataset.Dataset`, decoded one at a time.

    Their class is the QAB partition (eq. 1), not the label.
    """
    for label, name in enumerate(CLASSES):
        for split in (dataset.train_dark, dataset.train_bright):
            for record in split.confident(name):
                yield Example(record.image, label, record.group)


def examples_of_sets(dataset: Any) -> Iterator[Example]:
    """Yields the same images, classed by the training set that each is in, which may be relabelled wrongly."""
    for label, name in enumerate(CLASSES):
        for record in getattr(dataset, f"train_{name}").confident():
            yield Example(record.image, label, record.group)


def resize(image: UInt8[np.ndarray, "h w 3"], resolution: int) -> UInt8[np.ndarray, "s s 3"]:
    """Resizes the whole image to `resolution`², without keeping the aspect ratio: Pillow's antialiasing bilinear
    filter.

    Equals torchvision's Resize of PIL images, which published weights were trained with.
    """
    if image.shape[:2] == (resolution, resolution):
        return image
    return np.asarray(Image.fromarray(image).resize((resolution, resolution), Image.Resampling.BILINEAR))


def gather(examples: Iterable[Example | tuple], resolution: int) -> Examples:
    """Resizes all images into one array. Raises UsageError if a class has none."""
    images, labels, groups = [], [], []
    for image, label, group in examples:
        images.append(resize(image, resolution))
        labels.append(label)
        groups.append(group)
    stacked = np.stack(images) if images else np.zeros((0, resolution, resolution, 3), np.uint8)
    gathered = Examples(stacked, np.array(labels, np.int32), groups)
    for name, count in gathered.counts.items():
        if count == 0:
            raise UsageError(
                f"the probability network needs confident dark and bright images (QAB, eq. 1), but none is {name}"
            )
    return gathered


def hold_out(examples: Examples, share: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Marks about `share` of each class, whole groups at a time; the choice depends on `seed` and the groups' names.

    See `drujax.data.splits.choose_groups`: each class keeps training images, and of small or coarsely grouped sets
    less, or nothing of a class, may be held out.
    """
    names, indices = np.unique(np.array(examples.groups, dtype=str), return_inverse=True)
    sizes = np.zeros((len(names), len(CLASSES)), int)
    np.add.at(sizes, (indices, examples.labels), 1)
    chosen = choose_groups(dict(zip(names.tolist(), map(tuple, sizes.tolist()), strict=True)), share, seed)
    return np.isin(np.array(examples.groups, dtype=str), list(chosen))

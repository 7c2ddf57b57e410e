"""Scenes that artists drew in several lightings: pairs of a dark and a light picture of the same drawing."""

import collections

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.data.dataset import Dataset
from drujax.errors import UsageError
from drujax.metrics.exposure import correlation, gradients, log_luma
from drujax.pictures.color import luma
from drujax.training.night import Pairs

# The light picture is at least so many times as light, in mean luma, and at least so light: else it is no day.
MIN_RATIO, MIN_LUMA = 1.3, 80.0
# Least correlation of the gradients of log luma: groups also hold other views of a scene, and redrawn ones.
MIN_CORRELATION = 0.6

Pixels = UInt8[np.ndarray, "_ _ 3"]


def variant_pairs(dataset: Dataset, size: tuple[int, int]) -> Pairs:
    """Returns each darker picture of a group of the training splits with the lightest of that group.

    Args:
        dataset: whose groups are scenes (`experiments.prepare --groups`).
        size: height and width; the pictures are scaled to cover them, and cropped around their centre.

    Raises:
        UsageError: there are no such pictures.
    """
    groups = collections.defaultdict(list)
    for split in (dataset.train_dark, dataset.train_bright):
        for index, metadata in enumerate(split.table):
            groups[metadata.group].append((split, index))
    pairs = []
    for members in groups.values():
        if len(members) > 1:
            pictures = [_covering(split.image(index), *size) for split, index in members]
            *darker, lightest = sorted(pictures, key=lambda picture: luma(picture.astype(np.float32)).mean())
            pairs += [(picture, lightest) for picture in darker if _is_pair(picture, lightest)]
    if not pairs:
        raise UsageError(f"{dataset.path}: no scene of its training splits is in several lightings")
    return Pairs(*(np.stack(pictures) for pictures in zip(*pairs, strict=True)))


def _covering(image: Pixels, height: int, width: int) -> Pixels:
    h, w, _ = image.shape
    scale = max(height / h, width / w)
    half_h, half_w = height / scale / 2, width / scale / 2
    box = (w / 2 - half_w, h / 2 - half_h, w / 2 + half_w, h / 2 + half_h)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS, box))


def _is_pair(dark: Pixels, light: Pixels) -> bool:
    y, day = (luma(x.astype(np.float32)) for x in (dark, light))
    light_enough = day.mean() >= max(MIN_RATIO * y.mean(), MIN_LUMA)
    return bool(light_enough) and correlation(gradients(log_luma(y)), gradients(log_luma(day))) >= MIN_CORRELATION

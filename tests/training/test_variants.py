"""Pairs of drawn scenes: which pictures of a group count as one scene by night and by day."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drujax.data.dataset import Dataset, Split
from drujax.data.records import Metadata
from drujax.errors import UsageError
from drujax.training.variants import variant_pairs
from tests.support.textures import texture

SIZE = (24, 40)


def split(*members):
    """A split of (group, picture)."""
    encoded, table = [], []
    for number, (group, picture) in enumerate(members):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        encoded.append({"image": file.getvalue()})
        h, w, _ = picture.shape
        means = (0.0, 0.0, 0.0, 0.0)
        table.append(Metadata(f"a/{number}", group, "a", means, "dark", "dark", "qab", None, h, w, resized=False))
    return Split(table, encoded)


def dataset(dark, bright=()):
    return Dataset(Path("D"), split(*dark), split(*bright), split(), split())


def drawing(seed, size=(48, 80)):
    return 60 + np.asarray(texture(seed, size, 160))


def night(day):
    return (day * (0.2, 0.2, 0.3)).astype(np.uint8)


def test_each_darker_picture_is_paired_with_the_lightest_of_its_group():
    day = drawing(0)
    dusk = (day * 0.6).astype(np.uint8)
    pairs = variant_pairs(dataset([("a", night(day)), ("a", dusk), ("b", night(drawing(1)))], [("a", day)]), SIZE)
    assert pairs.night.shape == pairs.day.shape == (2, *SIZE, 3)
    assert np.array_equal(pairs.day[0], pairs.day[1])
    assert pairs.night[0].mean() < pairs.night[1].mean() < pairs.day[0].mean()


@pytest.mark.parametrize(
    "other",
    [
        night(drawing(2)),  # another drawing
        (drawing(0) * 0.9).astype(np.uint8),  # almost as light
    ],
)
def test_other_pictures_of_a_group_are_no_pair(other):
    with pytest.raises(UsageError, match="^D: no scene of its training splits is in several lightings"):
        variant_pairs(dataset([("a", other)], [("a", drawing(0))]), SIZE)


def test_two_nights_are_no_pair():
    with pytest.raises(UsageError, match="no scene"):
        variant_pairs(dataset([("a", night(drawing(0))), ("a", (drawing(0) * 0.1).astype(np.uint8))]), SIZE)


def test_pictures_of_any_shape_are_cropped_around_their_centre():
    day = np.zeros((96, 80, 3), np.uint8)
    day[24:72] = drawing(3)
    pairs = variant_pairs(dataset([("a", night(day))], [("a", day)]), SIZE)
    wanted = np.asarray(Image.fromarray(day[24:72]).resize(SIZE[::-1], Image.Resampling.LANCZOS))
    assert np.abs(pairs.day[0][3:-3].astype(int) - wanted[3:-3]).max() <= 2

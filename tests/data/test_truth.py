"""The true illumination of synthetic scenes."""

from itertools import pairwise

import numpy as np
import pytest

from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.qab import mean_luma
from drujax.data.scenes import LIGHT_KINDS, Lighting, illumination, paint
from drujax.data.sources import Scenes
from drujax.data.truth import illuminations
from drujax.errors import UsageError


@pytest.mark.parametrize("kind", LIGHT_KINDS)
def test_illumination_rises_with_the_level_of_light(kind):
    found = [illumination(0, 5, Lighting(kind, level)) for level in (0.0, 0.5, 1.0)]
    assert all(darker < lighter for darker, lighter in pairwise(found))


def test_full_daylight_is_one():
    assert illumination(0, 5, Lighting("day", 1.0)) == 1


def test_illumination_is_that_of_larger_renderings():
    large = mean_luma(paint(0, 1, (216, 384))) / mean_luma(paint(0, 1, (216, 384), Lighting("day", 1.0)))
    assert illumination(0, 1) == pytest.approx(large, rel=0.02)


def test_of_a_dataset(tmp_path):
    prepare(Scenes(16, (32, 48), seed=4), tmp_path / "D", crop=32, quiet=True)
    dataset = Dataset.open(tmp_path / "D")
    truth = illuminations(dataset)
    dark, bright = ([truth[row.id] for row in split.table] for split in (dataset.train_dark, dataset.train_bright))
    assert max(dark) < min(bright)
    first = dataset.train_dark.table[0].id
    assert truth[first] == illumination(4, int(first.removeprefix("scenes/").removesuffix(".png")))
    assert len(truth) == sum(
        len(dataset.split(name)) for name in ("train_dark", "train_bright", "test_dark", "val_dark")
    )
    assert np.isfinite(list(truth.values())).all()


def test_of_other_pictures_nobody_knows_it(tiny):
    with pytest.raises(UsageError, match="its pictures are not synthetic scenes, whose illumination is known"):
        illuminations(tiny)

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from drujax.errors import UsageError
from drujax.uncertainty.confident_set import Example, confident_examples, examples_of_sets, gather, hold_out, resize


def test_resize_uses_the_whole_picture_with_antialiasing():
    """A fine checkerboard averages to grey; without antialiasing it would stay black and white."""
    checkerboard = np.indices((96, 160)).sum(0) % 2 * 255
    image = np.repeat(checkerboard[..., None], 3, 2).astype(np.uint8)
    assert resize(image, 24).shape == (24, 24, 3)
    assert np.abs(resize(image, 24).astype(int) - 127).max() <= 12
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    pillows = Image.fromarray(image).resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resize(image, 24), np.asarray(pillows))


def test_gather_keeps_order_labels_and_groups(pictures):
    gathered = gather(pictures, 16)
    assert gathered.images.shape == (40, 16, 16, 3)
    assert gathered.images.dtype == np.uint8
    assert gathered.counts == {"dark": 24, "bright": 16}
    np.testing.assert_array_equal(gathered.images[7], resize(pictures[7].image, 16))
    chosen = gathered.where(np.arange(40) == 30)
    assert (chosen.labels.tolist(), chosen.groups) == ([1], ["group15"])


@pytest.mark.parametrize(("label", "missing"), [(0, "bright"), (1, "dark")])
def test_both_classes_are_needed(pictures, label, missing):
    with pytest.raises(UsageError, match=f"none is {missing}"):
        gather([example for example in pictures if example.label == label], 16)


def test_held_out_groups_are_whole_and_about_the_share_of_each_class(pictures):
    gathered = gather(pictures, 16)
    held = hold_out(gathered, 0.25, seed=0)
    assert (gathered.labels[held] == 0).sum() == 6
    assert (gathered.labels[held] == 1).sum() == 4
    groups = np.array(gathered.groups)
    assert not set(groups[held]) & set(groups[~held])


def test_held_out_groups_depend_only_on_seed_and_names(pictures):
    gathered = gather(pictures, 16)
    groups = np.array(gathered.groups)
    chosen = set(groups[hold_out(gathered, 0.25, seed=3)])
    order = np.random.default_rng(0).permutation(40)
    shuffled = gather([pictures[i] for i in order], 16)
    assert set(np.array(shuffled.groups)[hold_out(shuffled, 0.25, seed=3)]) == chosen
    assert set(groups[hold_out(gathered, 0.25, seed=4)]) != chosen


def test_large_groups_do_not_exceed_the_share():
    """Ten dark pictures in scenes of 6 and 4 and a share of 3: the scene of 6 must not be held out."""
    image = np.zeros((4, 4, 3), np.uint8)
    dark = [Example(image, 0, "six")] * 6 + [Example(image, 0, "four")] * 4
    gathered = gather([*dark, *(Example(image, 1, f"bright{i}") for i in range(10))], 4)
    for seed in range(8):
        held = hold_out(gathered, 0.3, seed)
        assert np.bincount(gathered.labels[held], minlength=2).tolist() == [4, 3]


def test_the_last_pictures_of_a_class_are_never_held_out():
    image = np.zeros((4, 4, 3), np.uint8)
    gathered = gather([Example(image, 0, "a"), Example(image, 0, "b"), Example(image, 1, "c")], 4)
    assert not np.any(hold_out(gathered, 0.9, seed=0) & (gathered.labels == 1))
    assert hold_out(gathered, 0.9, seed=0).sum() == 1
    assert not hold_out(gathered, 0.0, seed=0).any()


def test_confident_examples_are_training_pictures_with_a_confident_qab_class():
    """A record's label may differ from its partition, which decides."""

    def record(name, partition):
        return SimpleNamespace(image=np.full((2, 2, 3), len(name), np.uint8), group=name, partition=partition)

    class Split(list):
        def confident(self, partition=None):
            return [
                entry for entry in self if entry.partition in (("dark", "bright") if partition is None else partition)
            ]

    dataset = SimpleNamespace(
        train_dark=Split([record("a", "dark"), record("b", "uncertain"), record("c", "bright")]),
        train_bright=Split([record("d", "bright"), record("e", "uncertain")]),
    )
    found = [(example.group, example.label) for example in confident_examples(dataset)]
    assert found == [("a", 0), ("c", 1), ("d", 1)]
    found = [(example.group, example.label) for example in examples_of_sets(dataset)]
    assert found == [("a", 0), ("c", 0), ("d", 1)]

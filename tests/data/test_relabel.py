"""Training sets with flipped labels, or with pictures of one QAB class only."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from drujax.data.dataset import Dataset, Split
from drujax.data.pipeline import train_batches
from drujax.data.records import Metadata
from drujax.data.relabel import (
    flipped_labels,
    label_changes,
    read_labels,
    relabelled,
    restricted,
    write_labels,
)
from drujax.errors import UsageError

MEANS = (0.0, 0.0, 0.0, 0.0)


def table(label, partitions):
    names = [f"a/{label}{number}" for number in range(len(partitions))]
    rows = [
        Metadata(name, "g", "a", MEANS, partition, label, "qab", None, 8, 8, resized=False)
        for name, partition in zip(names, partitions, strict=True)
    ]
    return Split(rows, [])


def dataset(dark, bright):
    """A dataset without pictures, of the partitions of its training sets."""
    return Dataset(Path("D"), table("dark", dark), table("bright", bright), Split([], []), Split([], []))


def ids(split):
    return [row.id for row in split.table]


def flipped(dataset, probability, seed=0):
    labels = flipped_labels(dataset, probability, seed)
    return {row.id for row in (*dataset.train_dark.table, *dataset.train_bright.table) if labels[row.id] != row.label}


@pytest.fixture(scope="module")
def large() -> Dataset:
    return dataset(["dark"] * 1200, ["bright"] * 800)


def test_flips_are_those_of_the_seed():
    small = dataset(["dark"] * 6, ["bright"] * 6)
    assert flipped(small, 0.3) == {"a/dark1", "a/dark3", "a/dark4", "a/bright0", "a/bright1"}
    assert flipped(small, 0.3, seed=1) != flipped(small, 0.3)
    assert flipped(small, 0.0) == set()
    assert len(flipped(small, 1.0)) == 12


def test_the_share_of_flips_is_the_probability_in_both_sets(large):
    for probability in (0.1, 0.4):
        found = flipped(large, probability)
        for label, count in (("dark", 1200), ("bright", 800)):
            share = sum(name.startswith(f"a/{label}") for name in found) / count
            assert abs(share - probability) < 4 * np.sqrt(probability * (1 - probability) / count)


def test_more_noise_keeps_the_flips_of_less_and_a_part_those_of_the_whole(large):
    assert flipped(large, 0.1) < flipped(large, 0.3)
    part = Dataset(large.path, large.train_dark[:100], large.train_bright[:100], large.test_dark, large.val_dark)
    assert flipped(part, 0.3) == flipped(large, 0.3) & {*ids(part.train_dark), *ids(part.train_bright)}


def test_flips_do_not_depend_on_the_side_of_the_split(large):
    """Which also is chosen by a hash of a seed and a name: training groups are those with the larger ones."""
    from drujax.data.splits import assign_sides

    sides = assign_sides(ids(large.train_dark), seed=0)
    found = flipped(large, 0.2)
    train = [name for name, side in sides.items() if side == "train"]
    assert 0.15 < np.mean([name in found for name in train]) < 0.25


def test_pictures_move_to_the_other_set_and_only_there(tiny):
    noisy = relabelled(tiny, flipped_labels(tiny, 0.4, 2))
    moved = flipped(tiny, 0.4, 2)
    dark, bright = ids(tiny.train_dark), ids(tiny.train_bright)
    assert moved & {*dark}
    assert moved & {*bright}
    assert ids(noisy.train_dark) == [n for n in dark if n not in moved] + [n for n in bright if n in moved]
    assert ids(noisy.train_bright) == [n for n in bright if n not in moved] + [n for n in dark if n in moved]
    assert noisy.test_dark is tiny.test_dark
    assert noisy.val_dark is tiny.val_dark
    originals = {record.id: record for split in (tiny.train_dark, tiny.train_bright) for record in split}
    for record in (*noisy.train_dark, *pickle.loads(pickle.dumps(noisy.train_bright))):
        np.testing.assert_array_equal(record.image, originals[record.id].image)
        assert record.label == originals[record.id].label


def test_batches_take_the_indices_of_the_new_sets(tiny):
    noisy = relabelled(tiny, flipped_labels(tiny, 0.4, 2))
    with_workers = train_batches(noisy, size=16, batch_size=6, seed=0, workers=1)
    alone = train_batches(noisy, size=16, batch_size=6, seed=0)
    try:
        batch = next(alone)
        np.testing.assert_array_equal(next(with_workers)["dark"], batch["dark"])
    finally:
        with_workers.close()
        alone.close()
    for crop, index in zip(batch["dark"], batch["dark_index"], strict=True):
        assert abs(crop.mean() - noisy.train_dark.image(index).mean()) < 8  # levels of the two kinds are 195 apart


def test_changes_are_counted_and_can_be_read_again(tiny, tmp_path):
    labels = flipped_labels(tiny, 0.4, 2)
    noisy = relabelled(tiny, labels)
    write_labels(tmp_path / "labels.csv", noisy)
    assert read_labels(tmp_path / "labels.csv") == labels
    moved = flipped(tiny, 0.4, 2)
    from_dark = len(moved & {*ids(tiny.train_dark)})
    assert label_changes(noisy) == {
        "pictures": 12,
        "dark_to_bright": from_dark,
        "bright_to_dark": len(moved) - from_dark,
        "confident": 12,
        "confident_wrong": len(moved),
    }
    assert label_changes(tiny)["confident_wrong"] == 0


def test_labels_of_other_pictures_are_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match=r"labels of other training pictures .*data \(for example other\)"):
        relabelled(tiny, {**flipped_labels(tiny, 0.4, 2), "other": "dark"})
    (tmp_path / "other.csv").write_text("id,label\na,dark\n")
    with pytest.raises(UsageError, match=r"other.csv: not a table of training labels"):
        read_labels(tmp_path / "other.csv")
    (tmp_path / "other.csv").write_text("id,trained_as\na,drak\n")
    with pytest.raises(UsageError, match=r"trained_as: unknown value 'drak'. Did you mean dark"):
        read_labels(tmp_path / "other.csv")
    with pytest.raises(UsageError, match=r"label_noise: must be between 0 and 1, got 1.5"):
        flipped_labels(tiny, 1.5, 0)


def test_parts_by_qab_class():
    mixed = dataset(["dark", "uncertain", "uncertain", "bright"], ["bright", "uncertain"])
    assert restricted(mixed, "all") is mixed
    confident, uncertain = restricted(mixed, "confident"), restricted(mixed, "uncertain")
    assert ids(confident.train_dark) == ["a/dark0", "a/dark3"]
    assert ids(confident.train_bright) == ["a/bright0"]
    assert ids(uncertain.train_dark) == ["a/dark1", "a/dark2"]
    assert ids(uncertain.train_bright) == ["a/bright1"]
    assert uncertain.test_dark is mixed.test_dark


def test_a_share_of_the_uncertain_pictures_is_part_of_a_larger_one():
    mixed = dataset(["dark"] + ["uncertain"] * 60, ["bright"] + ["uncertain"] * 60)
    few, many = (restricted(mixed, "all", share) for share in (0.3, 0.6))
    for name in ("train_dark", "train_bright"):
        small, large, whole = (ids(getattr(part, name)) for part in (few, many, mixed))
        assert set(small) < set(large) < set(whole)
        assert whole[0] in small
        assert 8 <= len(small) - 1 <= 30
    none = restricted(mixed, "all", 0.0)
    assert (ids(none.train_dark), ids(none.train_bright)) == (["a/dark0"], ["a/bright0"])
    assert len(restricted(mixed, "uncertain", 0.3).train_dark) == len(few.train_dark) - 1


def test_an_empty_part_is_refused_in_one_line(tiny):
    with pytest.raises(
        UsageError, match=r"partition: none of the 7 pictures of train_dark .* is uncertain by QAB; exp"
    ):
        restricted(tiny, "uncertain")
    with pytest.raises(
        UsageError, match=r"partition: none of the 1 pictures of train_bright in D is confident by QAB$"
    ):
        restricted(dataset(["dark"], ["uncertain"]), "confident")
    with pytest.raises(UsageError, match=r"train_bright in D is confident or among the chosen 0% of the uncertain by"):
        restricted(dataset(["dark"], ["uncertain"]), "all", 0.0)
    with pytest.raises(UsageError, match=r"^uncertain_share: must be between 0 and 1, got 2.0$"):
        restricted(tiny, "all", 2.0)

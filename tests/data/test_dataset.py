import contextlib
import pickle
import shutil

import numpy as np
import pytest

from drujax.data import dataset as module
from drujax.data.dataset import Dataset, Split
from drujax.data.pipeline import train_batches
from drujax.data.records import SPLITS, TABLE
from drujax.errors import UsageError
from drujax.pictures.io import read_picture


def test_records_hold_the_pictures_and_their_metadata(tiny):
    assert [len(tiny.split(s)) for s in ("train_dark", "train_bright", "test_dark", "val_dark")] == [7, 5, 2, 1]
    for split in (tiny.train_dark, tiny.train_bright):
        for metadata, record in zip(split.table, split, strict=True):
            picture = read_picture(tiny.path.parent / record.id)
            np.testing.assert_array_equal(record.image, picture.rgb)
            assert (record.id, record.quartile_means) == (metadata.id, metadata.quartile_means)
            assert (record.height, record.width) == record.image.shape[:2]
            assert record.label == record.partition
            assert record.label_origin == "qab"
            assert record.classifier_probability is None
    assert {record.label for record in tiny.train_bright.table} == {"bright"}


def test_the_order_is_fixed(tiny):
    again = Dataset.open(tiny.path)
    assert (
        [r.id for r in again.train_dark] == [r.id for r in tiny.train_dark] == [m.id for m in tiny.table("train_dark")]
    )


def test_the_table_decodes_no_image(tiny, monkeypatch):
    def refuse(data):
        raise AssertionError("decoded")

    split = tiny.train_dark
    monkeypatch.setattr(module, "decode", refuse)
    assert len(split.table) == 7
    with pytest.raises(AssertionError, match="decoded"):
        split.image(0)


def test_views(tiny):
    split = tiny.train_dark
    assert split[-1].id == split[6].id
    assert [m.id for m in split[1:5:2].table] == [split[1].id, split[3].id]
    first = split.where(lambda metadata: metadata.id == split[2].id)
    assert len(first) == 1
    np.testing.assert_array_equal(first.image(0), split.image(2))
    assert (len(split.confident()), len(split.confident("dark")), len(split.confident("bright"))) == (7, 7, 0)
    assert len(split.confident("uncertain")) == 0
    with pytest.raises(IndexError):
        split[7]


def test_a_split_can_be_pickled(tiny):
    again = pickle.loads(pickle.dumps(tiny.test_dark))
    np.testing.assert_array_equal(again.image(1), tiny.test_dark.image(1))


@pytest.fixture
def damaged(tiny, tmp_path):
    """`damaged(split, damage)` copies the dataset, with `damage` applied to the bytes of a split's file (None removes
    it); returns the folder and the file.
    """

    def copy(split, damage):
        folder = shutil.copytree(tiny.path, tmp_path / "d")
        (file,) = folder.rglob(f"*-{split}.array_record*")
        content = damage(file.read_bytes())
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        return folder, str(file)

    return copy


def blank_out(content: bytes) -> bytes:
    """Damages the pixels of the first record, in the middle of the file."""
    return content[:1000] + bytes(100) + content[1100:]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: None, "it is missing"),
        (lambda content: b"", "should be at least 64KB big"),
        (lambda content: content[:-400], "Riegeli/records file"),
        (lambda content: content[: len(content) // 2], ""),
        (lambda content: content[:-65536], ""),
    ],
)
def test_a_file_that_is_missing_empty_or_cut_off_is_named(damaged, split, damage, reason):
    folder, file = damaged(split, damage)
    with pytest.raises(UsageError, match=rf"^{file}: damaged file of the dataset: .*{reason}.*; prepare it again.$"):
        Dataset.open(folder)


def test_files_of_another_dataset_are_named(damaged, tiny):
    other = next(tiny.path.rglob("*-test_dark.array_record*")).read_bytes()
    folder, file = damaged("val_dark", lambda _: other)
    with pytest.raises(UsageError, match=f"^{file}: damaged file of the dataset: 2 records of 1; prepare it again.$"):
        Dataset.open(folder)


def test_a_damaged_record_is_named_with_its_file(damaged):
    folder, file = damaged("train_dark", blank_out)
    split = Dataset.open(folder).train_dark
    name = split.table[0].id
    for view, index in ((split, 0), (split[:3], 0), (split.where(lambda metadata: metadata.id == name), 0)):
        with pytest.raises(UsageError, match=f"^{file}: the record of {name} is damaged"):
            view.image(index)
    assert len([split.image(index) for index in range(1, 7)]) == 6


def test_a_record_that_is_no_picture_is_named(tiny):
    split = Split(tiny.train_dark.table, [{"image": b"no picture"}] * 7)
    with pytest.raises(UsageError, match=f"^the record of {split.table[2].id} is damaged .cannot identify image file"):
        split.image(2)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_training_loader_names_a_damaged_file(damaged, workers):
    folder, file = damaged("train_dark", blank_out)
    batches = train_batches(Dataset.open(folder), size=16, batch_size=7, seed=0, workers=workers)
    with contextlib.closing(batches), pytest.raises(UsageError, match=f"{file}: the record of .* is damaged"):
        next(batches)


def test_a_folder_without_a_dataset_is_refused_in_one_line(tiny, tmp_path):
    with pytest.raises(UsageError, match=r"no dataset; create one: python -m experiments.prepare --source=DIR --out="):
        Dataset.open(tmp_path)
    with pytest.raises(UsageError, match=r"split: unknown value 'train'. Did you mean train_dark\?"):
        tiny.split("train")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("test_dark", "tset_dark"), "damaged table of records"),
        (lambda text: text.replace("classifier_probability", "probability"), "damaged table of records"),
        (lambda text: text[: text.rindex("\n", 0, -2) + 1], "lists . records of val_dark, 1 are stored"),
        (lambda text: text, "no readable dataset"),
    ],
)
def test_a_damaged_dataset_is_refused(tiny, tmp_path, damage, message):
    (tmp_path / TABLE).write_text(damage((tiny.path / TABLE).read_text()))
    if "stored" in message:
        (tmp_path / "anime_scenery").symlink_to(tiny.path / "anime_scenery")
    with pytest.raises(UsageError, match=message):
        Dataset.open(tmp_path)

import pickle
import shutil

import numpy as np
import pytest

from drujax.data import dataset as module
from drujax.data.dataset import Dataset
from drujax.data.records import TABLE
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


def test_a_damaged_record_is_reported_in_one_line(tiny, tmp_path):
    shutil.copytree(tiny.path, tmp_path / "d")
    (file,) = (tmp_path / "d").rglob("*val_dark.array_record*")
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(UsageError, match="^pictures/dark..png: its record is damaged"):
        Dataset.open(tmp_path / "d").val_dark.image(0)


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

import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from drujax.data import builder
from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.pictures.io import read_picture


def test_tfds_reads_it_by_name(tiny):
    assert builder.AnimeScenery.name == "anime_scenery"
    source = tfds.data_source("anime_scenery", split="train_bright", data_dir=tiny.path)
    assert len(source) == len(tiny.train_bright)
    for stored, record in zip(source, tiny.train_bright, strict=True):
        assert stored["id"].decode() == record.id
        assert stored["group"].decode() == record.group
        assert stored["label"] == 1
        assert np.isnan(stored["classifier_probability"])
        np.testing.assert_array_equal(stored["quartile_means"], np.float32(record.quartile_means))
        np.testing.assert_array_equal(stored["image"], record.image)


@pytest.fixture(scope="module")
def variety(tmp_path_factory):
    """Dark pictures of many kinds in a dataset."""
    folder = tmp_path_factory.mktemp("variety")
    (folder / "v").mkdir()
    rgb = np.random.default_rng(0).integers(0, 60, (20, 30, 3), dtype=np.uint8)
    image = Image.fromarray(rgb)
    image.save(folder / "v" / "plain.png")
    image.save(folder / "v" / "plain.jpg", quality=90)
    image.save(folder / "v" / "plain.webp", lossless=True)
    image.convert("L").save(folder / "v" / "grey.png")
    image.convert("P").save(folder / "v" / "palette.png")
    image.convert("CMYK").save(folder / "v" / "cmyk.jpg")
    image.convert("RGBA").save(folder / "v" / "alpha.png")
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(folder / "v" / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    image.save(folder / "v" / "turned.jpg", exif=exif)
    Image.fromarray(rgb[:8, :6]).save(folder / "v" / "small.png")
    prepare([folder / "v"], folder / "data", crop=16, quiet=True)
    dataset = Dataset.open(folder / "data")
    splits = (dataset.train_dark, dataset.test_dark, dataset.val_dark)
    found = {split.table[i].id: (split, i) for split in splits for i in range(len(split))}
    return folder, found


@pytest.mark.parametrize(
    "name", ["plain.png", "plain.jpg", "plain.webp", "grey.png", "palette.png", "cmyk.jpg", "alpha.png", "turned.jpg"]
)
def test_every_kind_of_picture_is_stored_as_displayed(variety, name):
    folder, found = variety
    split, index = found[f"v/{name}"]
    np.testing.assert_array_equal(split.image(index), read_picture(folder / "v" / name).rgb)
    assert not split.table[index].resized


def test_sixteen_bits_become_eight(variety):
    folder, found = variety
    split, index = found["v/deep.png"]
    np.testing.assert_array_equal(split.image(index), read_picture(folder / "v" / "deep.png").rgb // 257)


def test_plain_files_are_stored_byte_for_byte(variety):
    folder, _ = variety
    records = builder.stored_records(tfds.builder_from_directory(folder / "data" / "anime_scenery" / "1.0.0"))
    stored = {record["id"].decode(): record["image"] for source in records.values() for record in source}
    for name in ("plain.png", "plain.jpg"):
        assert stored[f"v/{name}"] == (folder / "v" / name).read_bytes()
    assert stored["v/plain.webp"].startswith(b"\x89PNG")


def test_small_pictures_are_enlarged_to_the_crop(variety):
    folder, found = variety
    split, index = found["v/small.png"]
    original = Image.open(folder / "v" / "small.png")
    expected = np.asarray(original.resize((16, 21), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(split.image(index), expected)
    metadata = split.table[index]
    assert (metadata.height, metadata.width, metadata.resized) == (21, 16, True)


def test_tensorflow_is_not_needed(tmp_path, save_pictures):
    """A dataset is written, read and batched without importing it."""
    source = save_pictures(tmp_path / "pictures", dark=4, bright=2)
    program = f"""
import sys
from pathlib import Path
from drujax.data.prepare import prepare
from drujax.data.dataset import Dataset
from drujax.data.pipeline import train_batches
prepare([Path({str(source)!r})], Path({str(tmp_path / "data")!r}), crop=16, quiet=True)
batches = train_batches(Dataset.open({str(tmp_path / "data")!r}), size=16, batch_size=2, seed=0)
assert next(batches)["dark"].shape == (2, 16, 16, 3)
batches.close()
assert "tensorflow" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr

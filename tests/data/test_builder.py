import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grain
import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from drujax.data import builder
from drujax.data.dataset import Dataset
from drujax.data.prepare import prepare
from drujax.data.records import SPLITS
from drujax.errors import UsageError
from drujax.pictures.io import read_picture

ROOT = Path(__file__).parents[2]


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


def test_others_read_it_without_drujax(tiny, tmp_path):
    """A copy elsewhere, read by tfds in a process that has no drujax, with whole images and in random order."""
    folder = shutil.copytree(tiny.path / "anime_scenery", tmp_path / "elsewhere") / "1.0.0"
    program = f"""
import sys
import numpy as np
import tensorflow_datasets as tfds
builder = tfds.builder_from_directory({str(folder)!r})
assert {{name: split.num_examples for name, split in builder.info.splits.items()}} == {{
    "train_dark": 7, "train_bright": 5, "test_dark": 2, "val_dark": 1}}
assert builder.info.features["partition"].names == ["dark", "bright", "uncertain"]
source = builder.as_data_source(split="train_dark")
record = source[5]
np.save({str(tmp_path / "image.npy")!r}, record["image"])
print(record["id"].decode())
assert not {{"drujax", "tensorflow"}} & set(sys.modules)
"""
    isolated = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=isolated
    )
    assert run.returncode == 0, run.stderr
    record = tiny.train_dark[5]
    assert run.stdout.strip() == record.id
    np.testing.assert_array_equal(np.load(tmp_path / "image.npy"), record.image)


def test_a_moved_dataset_opens(tiny, tmp_path):
    moved = Dataset.open(shutil.copytree(tiny.path, tmp_path / "moved"))
    assert moved.table("train_bright") == tiny.table("train_bright")
    np.testing.assert_array_equal(moved.train_bright.image(0), tiny.train_bright.image(0))


def test_grain_reads_it(tiny):
    source = tfds.data_source("anime_scenery", split="train_dark", data_dir=tiny.path)
    batch = next(iter(grain.MapDataset.source(source).map(lambda record: record["height"]).batch(7)))
    assert batch.tolist() == [20] * 7


def test_the_builder_writes_nothing_itself(tmp_path):
    with pytest.raises(UsageError, match="anime_scenery: nothing to download; build it from pictures"):
        builder.AnimeScenery(data_dir=tmp_path).download_and_prepare()


def test_the_records_are_those_of_tfds_own_writer(tiny, tmp_path):
    """The same features in the same order; tfds leaves the order inside a serialised record open."""
    rows = {split: tiny.table(split) for split in SPLITS}

    class Peer(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "anime_scenery"
        VERSION = builder.AnimeScenery.VERSION
        code_path = None

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=builder.features())

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in SPLITS}

        def _generate_examples(self, split):
            for row in sorted(rows[split], key=lambda row: row.id):
                yield row.id, builder.fields(row, (tiny.path.parent / row.id).read_bytes())

    peer = Peer(data_dir=tmp_path, file_format="array_record")
    peer.download_and_prepare()
    for split in SPLITS:
        (theirs,) = peer.data_path.glob(f"*-{split}.array_record*")
        (ours,) = (tiny.path / "anime_scenery" / "1.0.0").glob(theirs.name)
        assert parsed(ours) == parsed(theirs)
    read = tfds.builder_from_directory(tiny.path / "anime_scenery" / "1.0.0")
    for split, info in peer.info.splits.items():
        assert (read.info.splits[split].shard_lengths, read.info.splits[split].num_bytes) == (
            info.shard_lengths,
            info.num_bytes,
        )


def parsed(file) -> list[str]:
    records = map(tf_example_pb2.Example.FromString, ArrayRecordReader(str(file)).read_all())
    return [str(sorted(record.features.feature.items(), key=str)) for record in records]


def test_the_documented_features_are_those_of_the_records():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "dataset.md").read_text(), re.MULTILINE)
    assert rows == list(builder.features())
    assert f"## Version {builder.AnimeScenery.VERSION}" in (ROOT / "docs" / "dataset.md").read_text()
    assert str(builder.AnimeScenery.VERSION) in builder.AnimeScenery.RELEASE_NOTES


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

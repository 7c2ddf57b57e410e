"""Where photographs come from: folders, and splits of tfds datasets, built here without network."""

import socket
import urllib.error

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from drujax.errors import UsageError
from drujax.pictures.discovery import Skipped
from drujax.translators.photos import find_photos


def save(path, level=100, size=(8, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)


def test_names_of_a_folder_are_kept(tmp_path):
    for name in ("b.png", "a.jpg", "sub/a.webp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photograph")
    skipped = Skipped()
    photos = find_photos(tmp_path, skipped=skipped)
    assert [photo.name for photo in photos] == ["a.png", "b.png", "sub/a.png"]
    assert photos[0].origin == str(tmp_path / "a.jpg")
    assert photos[0].rgb().shape == (10, 8, 3)
    assert str(skipped) == "1 file skipped: 1 .txt (not pictures)"


def test_names_are_unique(tmp_path):
    for name in ("a.jpg", "A.webp", "a.jpg.png", "b.jpg"):
        save(tmp_path / name)
    names = [photo.name for photo in find_photos(tmp_path)]
    assert names == ["A.webp.png", "a.jpg.png", "a.jpg.png.png", "b.png"]


def test_missing_folder(tmp_path):
    with pytest.raises(UsageError, match=f"source: folder not found: {tmp_path}/nothing"):
        find_photos(tmp_path / "nothing")


class ToyPhotos(tfds.core.GeneratorBasedBuilder):
    """Six photographs in two splits, like cycle_gan's."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None

    def _info(self):
        features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["A", "B"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"trainA": self._generate_examples(2), "trainB": self._generate_examples(4)}

    def _generate_examples(self, count):
        for index in range(count):
            yield index, {"image": Image.new("RGB", (12, 9), (index * 40, 0, 0)), "label": count == 4}


class ToyTexts(ToyPhotos):
    """Records without pictures."""

    code_path = None

    def _info(self):
        features = tfds.features.FeaturesDict({"words": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _generate_examples(self, count):
        yield 0, {"words": "x"}


class ToyOffline(ToyPhotos):
    """A dataset that must be downloaded."""

    code_path = None
    url_infos = {"https://photos.invalid/all.zip": None}  # noqa: RUF012

    def _split_generators(self, dl_manager):
        raise AssertionError("tfds would try for a quarter of an hour")


class ToyNeedsMore(ToyPhotos):
    """A dataset whose preparation imports a package that is not installed."""

    code_path = None

    def _split_generators(self, dl_manager):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")


def test_split_of_a_dataset(tmp_path):
    """Prepared on first use, then read."""
    for _ in range(2):
        photos = find_photos("tfds:toy_photos:trainB", data_dir=tmp_path)
        assert [photo.name for photo in photos] == [f"trainB_{index:06d}.png" for index in range(4)]
        assert photos[1].origin == "tfds:toy_photos:trainB, record 1"
        rgb = [photo.rgb() for photo in photos]
        assert {image.shape for image in rgb} == {(9, 12, 3)}
        assert sorted(int(image[0, 0, 0]) for image in rgb) == [0, 40, 80, 120]
    part = find_photos("tfds:toy_photos:trainB[:50%]", data_dir=tmp_path)
    assert [photo.name for photo in part] == ["trainB_50_000000.png", "trainB_50_000001.png"]
    np.testing.assert_array_equal(part[0].rgb(), rgb[0])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:toy_photos", "must be tfds:NAME:SPLIT, like tfds:cycle_gan/monet2photo:trainB, got tfds:toy_photos"),
        ("tfds:toy_photos:trainC", "toy_photos has no split trainC; its splits are trainA, trainB"),
        ("tfds:no_such_photos:train", "tfds has no dataset no_such_photos"),
        ("tfds:cycle_gan/nothing:trainB", "tfds has no dataset cycle_gan/nothing"),
        ("tfds:toy_texts:trainA", "the records of toy_texts have no image, only words"),
        ("tfds:toy_needs_more:trainA", "preparing it needs tensorflow: pip install tensorflow"),
    ],
)
def test_mistakes(source, message, tmp_path):
    with pytest.raises(UsageError, match="^source: ") as refused:
        find_photos(source, data_dir=tmp_path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_network(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UsageError) as refused:
        find_photos("tfds:toy_offline:trainB", data_dir=tmp_path)
    message = str(refused.value)
    assert "source: toy_offline is not on this machine, and photos.invalid cannot be reached" in message
    assert "Name or service not known" in message
    assert "give a folder of its pictures" in message


def test_cycle_gan_is_known_to_tfds(tmp_path, monkeypatch):
    """Which needs a package to know its addresses that it does not install."""

    def unreachable(*_, **__):
        raise urllib.error.URLError("offline")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    message = r"berkeley\.edu cannot be reached \(offline\)|preparing it needs importlib_resources: pip install"
    with pytest.raises(UsageError, match=message):
        find_photos("tfds:cycle_gan/monet2photo:trainB", data_dir=tmp_path)

"""Copies count as nearly equal; other scenes and uniform areas do not."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from drujax.data.near_copies import MAX_DISTANCE, Fingerprint, Fingerprints, find_near_copies, fingerprint
from drujax.pictures.io import read_picture
from tests.support.textures import texture

SCENES = 12


def jpeg(image: Image.Image) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=50)
    return Image.open(content).convert("RGB")


COPIES = {
    "itself": lambda image: image,
    "JPEG": jpeg,
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "stretched": lambda image: image.resize((image.width * 2, image.height)),
    "darker": lambda image: image.point(lambda level: int(level * 0.7)),
    "gamma": lambda image: image.point(lambda level: int(255 * (level / 255) ** 0.7)),
    "cropped": lambda image: image.crop((2, 1, image.width - 2, image.height - 1)),
}


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    return [texture(seed) for seed in range(SCENES)]


def prints(images):
    return Fingerprints.of([fingerprint(np.asarray(image)) for image in images])


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_other_scenes_are_not(scenes, kind):
    found = list(find_near_copies(prints([*scenes, *map(COPIES[kind], scenes)])))
    assert found == [(i, i + SCENES) for i in range(SCENES)]


def test_flat_images_have_no_fingerprint():
    random = np.random.default_rng(0)
    even = [np.full((40, 60, 3), level, np.uint8) for level in (0, 0, 3, 200)]
    even += [random.integers(90, 130, (360, 640, 3), dtype=np.uint8), np.zeros((1, 1, 3), np.uint8)]
    assert [fingerprint(image) for image in even] == [None] * 6
    assert list(find_near_copies(prints(even))) == []


@pytest.mark.parametrize("size", [(1, 2), (3, 500), (17, 16), (33, 31)])
def test_images_of_any_size_have_one(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert list(find_near_copies(prints([image, image]))) == [(0, 1)]


def test_all_pairs_are_compared_and_missing_ones_keep_their_places():
    """Across blocks, with hashes at known distances."""
    random = np.random.default_rng(0)
    alike = np.full(480, 480**-0.5, np.float16)
    hashes = [int(value) for value in random.integers(0, 2**63, 9000)]
    near = hashes[5] ^ (2**MAX_DISTANCE - 1)
    hashes[3], hashes[650], hashes[8900] = near, near ^ (1 << 40), hashes[400]
    fingerprints: list[Fingerprint | None] = [Fingerprint(value, alike) for value in hashes]
    fingerprints.insert(0, None)
    distance = np.bitwise_count(np.array(hashes, np.uint64)[:, None] ^ np.array(hashes, np.uint64))
    expected = [(i + 1, j + 1) for i, j in np.argwhere(np.triu(distance <= MAX_DISTANCE, 1)).tolist()]
    assert sorted(find_near_copies(Fingerprints.of(fingerprints))) == expected
    assert {(4, 6), (4, 651), (401, 8901)} <= set(expected)
    assert (6, 651) not in expected


def test_equal_hashes_need_equal_gradients():
    up = np.zeros(480, np.float16)
    up[0] = 1
    found = Fingerprints.of([Fingerprint(7, up), Fingerprint(7, np.roll(up, 1)), Fingerprint(7, up)])
    assert list(find_near_copies(found)) == [(0, 2)]


def test_known_variants_of_real_drawings_are_found(shared):
    """Most of the day and night versions listed by hand, and few false matches."""
    with (shared / "images" / "variants.csv").open() as file:
        group = {row["id"]: row["group"] for row in csv.DictReader(file)}
    names = list(group)
    pictures = [read_picture(shared / "images" / "anime" / f"{name}.jpg").rgb for name in names]
    found = [(group[names[i]], group[names[j]]) for i, j in find_near_copies(prints(pictures))]
    listed = sum(
        list(group.values()).count(value) * (list(group.values()).count(value) - 1) // 2
        for value in set(group.values())
    )
    assert sum(a == b for a, b in found) > 0.8 * listed
    assert sum(a != b for a, b in found) < 0.1 * listed

"""Procedural scenes: any image size, the same geometry under every lighting, and all three QAB classes."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from drujax.data.qab import classify, quartile_means
from drujax.data.scenes import KINDS, LIGHT_KINDS, Lighting, draw_lighting, kind_of, paint, pair
from drujax.errors import UsageError
from drujax.pictures.color import luma

SEED = 3
INDEX = {kind: next(i for i in range(1000) if kind_of(SEED, i) == kind) for kind in KINDS}  # a scene of each kind


def halved(picture):
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    return picture[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).astype(np.float32).mean(axis=(1, 3))


def edges(picture):
    """Contrast-normalised outlines: gradient magnitude over its local mean, with zero mean and unit norm."""
    y, x = np.gradient(np.log(luma(picture.astype(np.float64)) + 4.0))
    strength = np.minimum(np.hypot(y, x), 0.15)
    strength = strength - strength.mean()
    return strength / np.linalg.norm(strength)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 20), (5, 400), (300, 4)])
def test_any_size_is_rendered(kind, size):
    picture = paint(SEED, INDEX[kind], size, Lighting("night", 0.7))
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_depends_only_on_seed_and_index(kind):
    index = INDEX[kind]
    np.random.seed(1)  # noqa: NPY002 - the global generator must not matter
    first = paint(SEED, index, (40, 56))
    paint(SEED + 1, index + 1, (64, 64))
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(paint(SEED, index, (40, 56)), first)
    other = paint(SEED, next(i for i in range(index + 1, 1000) if kind_of(SEED, i) == kind), (40, 56))
    assert np.abs(other.astype(float) - first).mean() > 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_is_the_same_at_every_resolution(kind):
    light = Lighting("day", 0.9)
    small, large = (paint(SEED, INDEX[kind], size, light) for size in ((96, 120), (192, 240)))
    large = halved(large)
    difference = np.abs(large - small).mean()
    assert difference < 3  # of 255
    for axis in (0, 1):  # displacement far below one pixel: edges are aligned and anti-aliased
        assert difference < 0.5 * np.abs(large - np.roll(small, 1, axis)).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wider_frame_shows_the_same_scene_and_more(kind):
    light = Lighting("day", 1.0)
    narrow, wide = paint(SEED, INDEX[kind], (64, 64), light), paint(SEED, INDEX[kind], (64, 96), light)
    assert np.abs(wide[:, 16:80].astype(float) - narrow).mean() < 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lighting", LIGHT_KINDS)
def test_mean_luma_rises_with_the_level(kind, lighting):
    means = [luma(paint(SEED, INDEX[kind], (24, 24), Lighting(lighting, k / 3))).mean() for k in range(4)]
    assert all(b > a + 0.3 for a, b in pairwise(means)), means


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_is_aligned(kind):
    index = INDEX[kind]
    dark, bright = pair(SEED, index, (96, 96))
    assert luma(dark).mean() < 0.6 * luma(bright).mean()
    mine, truth = edges(dark), edges(bright)
    aligned = (mine * truth).sum()
    shifted = [
        (np.roll(mine, (dy, dx), (0, 1)) * truth).sum()
        for dy in range(-3, 4)
        for dx in range(-3, 4)
        if (dy, dx) != (0, 0)
    ]
    assert aligned > 0.35
    assert aligned > max(shifted) + 0.05


def test_darkness_is_more_than_a_gain():
    day, night = (
        paint(SEED, INDEX["village"], (128, 128), light) for light in (Lighting("day", 1.0), Lighting("night", 0.3))
    )
    (day_red, _, day_blue), (red, _, blue) = (picture.reshape(-1, 3).mean(axis=0) for picture in (day, night))
    assert blue / red > 1.25 * day_blue / day_red  # night is blue
    brightness = luma(night)
    assert np.median(brightness) < 45
    assert np.quantile(brightness, 0.995) > 150  # but windows stay lit


def test_backlight_makes_silhouettes():
    picture = luma(paint(SEED, INDEX["road"], (96, 96), Lighting("backlit", 0.8)))
    assert picture[:40].mean() > 3 * picture[80:].mean()


@pytest.mark.parametrize(("partition", "rate"), [("dark", 0.8), ("uncertain", 0.8), ("bright", 0.6)])
def test_every_class_of_qab_can_be_drawn(partition, rate):
    count = 40
    classes = Counter(
        classify(quartile_means(paint(5, i, (32, 32), draw_lighting(5, i, partition)))) for i in range(count)
    )
    assert classes[partition] >= rate * count


def test_scenes_under_random_lighting_cover_all_classes():
    classes = Counter(classify(quartile_means(paint(6, i, (32, 32)))) for i in range(45))
    assert min(classes[partition] for partition in ("dark", "uncertain", "bright")) >= 7


def test_all_kinds_occur():
    assert {kind_of(0, i) for i in range(200)} == set(KINDS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paint(0, 0, (0, 5)), "size: must be at least 1x1, got 0x5"),
        (lambda: paint(-1, 0, (5, 5)), "seed: must be >= 0, got -1"),
        (lambda: paint(0, -2, (5, 5)), "index: must be >= 0, got -2"),
        (lambda: Lighting("day", 1.5), r"lighting level: must be in 0\.\.1, got 1\.5"),
        (lambda: Lighting("day", float("nan")), r"lighting level: must be in 0\.\.1, got nan"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()

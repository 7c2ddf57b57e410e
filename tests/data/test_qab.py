import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drujax.data import qab
from drujax.data.sort_files import sort_pictures
from drujax.enhance import strength
from drujax.errors import UsageError
from drujax.pictures.io import read_picture

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def test_quartiles_are_split_at_the_floor_of_half():
    rgb = np.zeros((5, 7, 3), np.uint8)
    rgb[:2, :3], rgb[:2, 3:], rgb[2:, :3], rgb[2:, 3:] = 10, 20, 30, (255, 0, 0)
    np.testing.assert_allclose(qab.quartile_means(rgb), [10, 20, 30, 0.299 * 255], rtol=1e-12)
    np.testing.assert_allclose(qab.mean_luma(rgb), (10 * 6 + 20 * 8 + 30 * 9 + 0.299 * 255 * 12) / 35, rtol=1e-12)


@given(pictures)
def test_quartile_means_are_the_means_of_the_luma_of_their_pixels(rgb):
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    h, w = luma.shape
    parts = [luma[: h // 2, : w // 2], luma[: h // 2, w // 2 :], luma[h // 2 :, : w // 2], luma[h // 2 :, w // 2 :]]
    expected = [part.mean() if part.size else luma.mean() for part in parts]
    np.testing.assert_allclose(qab.quartile_means(rgb), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(qab.mean_luma(rgb), luma.mean(), rtol=1e-9, atol=1e-9)
    deep = rgb.astype(np.uint16) * 257
    np.testing.assert_allclose(qab.quartile_means(deep), expected, rtol=1e-9, atol=1e-9)


@given(pictures)
def test_empty_quartiles_do_not_change_the_class(rgb):
    h, w = rgb.shape[:2]
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    rows, columns = (slice(0, h // 2), slice(h // 2, h)), (slice(0, w // 2), slice(w // 2, w))
    means = [luma[r, c].mean() for r in rows for c in columns if luma[r, c].size]
    if min(abs(mean - bound) for mean in means for bound in (50, 150)) < 1e-6:
        return
    expected = "dark" if min(means) < 50 else "bright" if min(means) > 150 else "uncertain"
    assert qab.classify(qab.quartile_means(rgb)) == expected


@given(hnp.arrays(np.float64, 4, elements=st.floats(0, 255)))
def test_darkness_is_one_for_dark_and_zero_for_bright_pictures(means):
    expected = {
        "dark": lambda lack: lack == 1,
        "bright": lambda lack: lack == 0,
        "uncertain": lambda lack: 0 <= lack <= 1,
    }
    assert expected[qab.classify(means)](strength.darkness(means))
    assert strength.darkness(np.array([200.0, 135, 180, 150])) == 0.5


def test_a_batch_equals_its_single_pictures():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 6, 3), dtype=np.uint8)
    means = qab.quartile_means(rgb)
    assert means.shape == (2, 3, 4)
    np.testing.assert_array_equal(means[1, 2], qab.quartile_means(rgb[1, 2]))
    assert qab.classify_all(means[0]) == [qab.classify(row) for row in means[0]]


@pytest.mark.parametrize(
    ("means", "partition"),
    [
        ([49.9, 200, 200, 200], "dark"),
        ([50, 200, 200, 200], "uncertain"),
        ([200, 200, 200, 49.9], "dark"),
        ([150.1] * 4, "bright"),
        ([150.1, 150.1, 150, 150.1], "uncertain"),
    ],
)
def test_the_bounds_are_strict(means, partition):
    assert qab.classify(np.array(means, float)) == partition


def test_the_bounds_are_parameters():
    means = np.array([[60.0, 70, 80, 90]])
    assert qab.classify_all(means, low=61.0) == ["dark"]
    assert qab.classify_all(means, high=59.0) == ["bright"]
    with pytest.raises(UsageError, match=r"low: must be <= high \(80\), got 90"):
        qab.classify_all(means, low=90.0, high=80.0)


def test_sort_pictures_continues_after_a_bad_one(tmp_path, save_picture):
    good, bad = save_picture(tmp_path / "a.png", 220), tmp_path / "b.png"
    bad.write_text("no picture")
    with pytest.raises(UsageError, match="b.png"):
        list(sort_pictures([bad]))
    messages = []
    rows = list(sort_pictures([bad, good], on_error=lambda path, error: messages.append(path)))
    assert messages == [bad]
    rgb = read_picture(good).rgb
    assert rows == [
        {
            "image": str(good),
            "partition": "bright",
            "mean_luma": float(qab.mean_luma(rgb)),
            "quartile_means": qab.quartile_means(rgb).tolist(),
        }
    ]


def test_agrees_with_the_metadata_of_the_shared_pictures(shared):
    """The metadata has means of rounded luma, which differ by at most 0.5."""
    with (shared / "images" / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::40]
    compared = 0
    for row in rows:
        rgb = read_picture(shared / "images" / row["file"]).rgb
        means, theirs = qab.quartile_means(rgb), np.array([float(row[f"q{i}"]) for i in (1, 2, 3, 4)])
        np.testing.assert_allclose(means, theirs, atol=0.51)
        assert abs(qab.mean_luma(rgb) - float(row["mean_luma"])) < 0.51
        if np.abs(theirs[:, None] - [50, 150]).min() > 0.51:
            assert qab.classify(means) == row["qab"], row["id"]
            compared += 1
    assert compared > 50

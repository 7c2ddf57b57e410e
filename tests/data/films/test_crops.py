import numpy as np
import pytest

from drujax.data.films.crops import crop
from drujax.errors import UsageError


def test_squares_of_a_wide_frame():
    """As Scenimefy's script: left, centre and right, each as wide as the frame is high."""
    rgb = np.arange(4 * 9 * 3, dtype=np.uint8).reshape(4, 9, 3)
    cut = crop(rgb, "squares")
    assert list(cut) == ["left", "right", "centre"]
    for name, start in (("left", 0), ("centre", 2), ("right", 5)):
        np.testing.assert_array_equal(cut[name], rgb[:, start : start + 4])


def test_squares_of_a_tall_and_of_a_square_frame():
    rgb = np.arange(9 * 4 * 3, dtype=np.uint8).reshape(9, 4, 3)
    cut = crop(rgb, "squares")
    assert list(cut) == ["top", "bottom", "centre"]
    np.testing.assert_array_equal(cut["bottom"], rgb[5:])
    np.testing.assert_array_equal(cut["centre"], rgb[2:6])
    assert list(crop(rgb[:4], "squares")) == ["centre"]


def test_the_whole_frame():
    rgb = np.zeros((4, 9, 3), np.uint8)
    assert crop(rgb, "whole")[""] is rgb


def test_unknown_crops():
    with pytest.raises(UsageError, match="crops: unknown value 'square'. Did you mean squares?"):
        crop(np.zeros((4, 9, 3), np.uint8), "square")

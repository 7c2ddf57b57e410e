"""LOE against comparing all pairs, and its invariances."""

import numpy as np
import pytest

from drujax.errors import UsageError
from drujax.metrics.loe import loe

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (40, 30, 3), dtype=np.uint8)


def test_equals_comparing_all_pairs():
    other = RANDOM.integers(0, 256, PICTURE.shape, dtype=np.uint8)
    x, y = (picture.max(axis=-1).ravel() for picture in (other, PICTURE))
    order = [v[:, None] >= v for v in (x, y)]
    np.testing.assert_allclose(loe(other, PICTURE), [1000 * (order[0] != order[1]).mean()])


def test_order_preserving_brightening_scores_zero_and_inversion_high():
    lighter = np.sqrt(PICTURE / 255)
    assert loe(lighter, PICTURE / 255).tolist() == [0]
    assert loe(np.stack([255 - PICTURE, PICTURE]), np.stack([PICTURE, PICTURE]))[0] > 500


def test_large_pictures_are_sampled():
    tiles = np.kron(PICTURE[:, :25], np.ones((6, 6, 1), np.uint8))  # 240 x 150
    assert loe(tiles, tiles).tolist() == [0]
    small, large = loe(255 - PICTURE[:, :25], PICTURE[:, :25]), loe(255 - tiles, tiles)
    np.testing.assert_allclose(large, small, rtol=0.1)


def test_shapes_must_agree():
    with pytest.raises(
        UsageError, match=r"loe: images and truth must have equal shapes, got \(1, 40, 30, 3\) and \(1, 39, 30, 3\)"
    ):
        loe(PICTURE, PICTURE[1:])


def test_wide_images_do_not_overflow():
    """The order of all pairs of 100 x 470 pixels changes: more pairs than an int32 holds."""
    ramp = np.broadcast_to(np.linspace(0, 1, 470, dtype=np.float32)[:, None], (100, 470, 3))
    np.testing.assert_allclose(loe(1 - ramp, ramp), [1000 * (1 - 1 / 470)], rtol=1e-6)

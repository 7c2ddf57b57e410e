"""Grey levels: exact sums, ties rounded as in the references, floats equal to uint8."""

from fractions import Fraction

import numpy as np
import pytest

from drujax.metrics.kernels.grayscale import levels, stretched_levels

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
EXACT = {
    "yiq": [Fraction(299, 1000), Fraction(587, 1000), Fraction(114, 1000)],
    "matlab": [Fraction(n, 3943312) for n in (1178798, 2314894, 449620)],
    "ycbcr": [Fraction(n, 255000) for n in (65481, 128553, 24966)],
}


@pytest.mark.parametrize("kind", EXACT)
def test_rounds_the_exact_sum(kind):
    offset = 16 if kind == "ycbcr" else 0
    ours = levels(PICTURE, kind)
    for rgb, level in zip(PICTURE.reshape(-1, 3).tolist(), ours.ravel().tolist(), strict=True):
        exact = sum(weight * value for weight, value in zip(EXACT[kind], rgb, strict=True)) + offset
        assert abs(exact - level) <= Fraction(1, 2)  # ties may round either way
    assert np.array_equal(levels(PICTURE / 255, kind), ours)
    assert np.array_equal(levels((PICTURE / np.float32(255)).astype(np.float32), kind), ours)


def test_matlab_weights_are_the_first_row_of_the_inverse():
    matrix = np.array([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])
    np.testing.assert_allclose([float(weight) for weight in EXACT["matlab"]], np.linalg.inv(matrix)[0], rtol=1e-12)


def test_ties_round_as_in_float32():
    ties = np.array([[[r, g, b] for r in range(256) for g in (40, 90) for b in range(256)]], np.uint8)
    ties = ties[:, (ties[0].astype(int) @ [299, 587, 114]) % 1000 == 500]
    ours = levels(ties, "yiq")[0]
    r, g, b = (ties[0].T.astype(np.float32) / np.float32(255)).astype(np.float64)
    red, green, blue = (np.float64(np.float32(weight)) for weight in (0.299, 0.587, 0.114))
    grey = (b * blue + (g * green + (r * red).astype(np.float32)).astype(np.float32)).astype(np.float32)
    assert np.array_equal(ours, np.rint(np.float32(255) * grey))
    exact = ties[0].astype(int) @ [299, 587, 114] // 1000
    assert 0 < (ours == exact).mean() < 1  # some up, some down


def test_stretching_maps_the_maximum_to_255():
    dark = PICTURE // 5
    grey = stretched_levels(dark)
    assert grey.max() == 255
    exact = dark.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(grey - 255 * exact / exact.max()).max() <= 0.5 + 1e-4
    assert np.array_equal(stretched_levels(dark / 255), grey)
    assert not stretched_levels(np.zeros_like(PICTURE)).any()
